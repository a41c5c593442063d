"""``synth experiment``: one model, several generators, epsilons and seeds; what each table is worth beside held-out people."""
