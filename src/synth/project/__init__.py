"""YAML, SQL and macros to a typed, frozen Project. Reads the project's own files and nothing else."""
