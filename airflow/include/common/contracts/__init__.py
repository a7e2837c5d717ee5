"""Contracts: what a dataset promises, read from Open Data Contract Standard v3 YAML."""
