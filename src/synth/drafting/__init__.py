"""Metadata from what is known of a table: from other tools' metadata, or from looks at its rows. Pure."""
