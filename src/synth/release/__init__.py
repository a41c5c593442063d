"""``synth release``: tables that leave the house, with all that a reader needs to judge them, and a way to check them."""
