"""The internal report: what ``synth evaluate`` found of a table, on a page for those who may read the rows behind it."""
