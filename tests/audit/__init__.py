"""The long part of the test programme: what an attacker can show, and whether planted mistakes are found."""
