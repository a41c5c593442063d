from synth.cli import process

process()
