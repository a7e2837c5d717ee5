"""The DAGs of the platform: beside the public doors, the only package that imports Airflow at module level."""
