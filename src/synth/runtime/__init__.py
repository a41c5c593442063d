"""Effects: private rows are read, generators fitted, tables written. Knows compiled values, no YAML."""
