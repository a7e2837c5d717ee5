"""A Redshift that really executes: its Data API over PostgreSQL, with Redshift's own names, lengths and refusals."""
