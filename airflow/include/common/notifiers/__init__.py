"""Notifiers for the callbacks and deadlines of anybody's DAG."""
