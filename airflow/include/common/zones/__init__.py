"""Zones: where data of one quality lives, the object store that holds them, and their Airflow Assets."""
