"""The line: frozen values that compiling makes and running reads, as JSON that a person can read."""
