"""What did not happen, as a DAG of Airflow: `watershed_watch` finds it, and tells whom it concerns.

It also sends the messages that could not be sent before. When it fails nothing is lost; the next run looks again.
"""

from common.core.settings import settings
from common.dags.stages import watch

if settings().watches:
    watch()
