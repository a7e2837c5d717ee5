"""What is wrong with contracts, models and routes of messages, as an import error of this file; it makes no DAG.

A contract or model with a fault has no DAGs or tasks until it is mended; all others keep theirs and run. The import
error names file, line and what is allowed; `watershed contract lint` tells the same.
"""

from common.notify.routes import require_known
from common.pipelines.kinds import require_sound

require_sound()
require_known()
