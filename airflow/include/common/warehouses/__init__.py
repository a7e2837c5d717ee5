"""Warehouses: PostgreSQL and DuckDB behind one small interface."""
