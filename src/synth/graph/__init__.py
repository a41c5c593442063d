"""Models to a DAG with zones, and the selection of its nodes."""
