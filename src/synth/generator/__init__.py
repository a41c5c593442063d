"""The fitted network and its stages: marginals, levels, training, sampling, store. Knows plans and codes, no SQL."""
