"""Publish DAGs of independent packages as atomic releases; Airflow reads them without being touched."""
