"""Refining on Spark: the same contract, read and typed by many executors."""
