"""Sum one partition of a table of the lake up, day by day."""
