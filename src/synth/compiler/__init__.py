"""Pure passes from a project to SQL, plans and expectations. Opens no data; DuckDB only binds against empty tables."""
