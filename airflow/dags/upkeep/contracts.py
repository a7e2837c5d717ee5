"""What is wrong with contracts, models and routes, as an import error of this file in Airflow; it makes no DAG.

A contract or model with a fault has no DAGs or tasks until it is mended; all others keep theirs and run. The import
error names file, line and what is allowed; `watershed contract lint` tells the same. Routes of messages that have
a fault send everything to one channel of Slack until they are mended.
"""

from common.notify.routes import require_known
from common.pipelines.kinds import require_sound

require_sound()
require_known()
