"""Hooks of services that Airflow has no provider for, and what Airflow shows of their connections."""
