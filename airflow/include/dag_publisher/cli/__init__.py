"""The `airflow-dag-publisher` command."""
