"""Operators for anybody's DAG."""
