"""Checks: expressions that are true for good rows, and what happens to the others."""
