"""``synth docs``: the project as a folder of pages, for a browser without a network."""
