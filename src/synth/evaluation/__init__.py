"""Figures of a synthetic table beside real rows. Pure: data frames in, figures out; what it sees stays in the private zone."""
