"""Keep a Delta table small beside running hops: join small files, remove what no reader needs any more."""

from datetime import datetime, timedelta
from math import ceil

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from common.core.errors import StoreUnavailable
from common.lake.table import KEEP_FOR_EVER
from common.zones.store import storage_options

MARGIN = 3600.0  # seconds between the clocks of writers and of the store
SMALL_FILES = 8  # tables with fewer are left as they are


def compact(uri: str, most: int = SMALL_FILES) -> int:
    """Join small files; return how many were replaced. A hop that commits meanwhile wins, and the next run tries again.

    Raises StoreUnavailable.
    """
    table = DeltaTable(uri, storage_options=storage_options())
    if len(table.file_uris()) <= most:
        return 0
    try:
        done = table.optimize.compact(post_commithook_properties=KEEP_FOR_EVER)
    except DeltaError as error:
        if type(error).__name__ == "CommitFailedError":
            return 0
        raise StoreUnavailable(f"compact {uri}: {error}") from error
    return int(done["numFilesRemoved"])


def vacuum(uri: str, needed: int, keep: timedelta, now: datetime) -> int:
    """Remove files that no version from `needed` on holds and that nobody has touched for `keep`; return how many.

    Raises StoreUnavailable.
    """
    table = DeltaTable(uri, storage_options=storage_options())
    try:
        since = [c["timestamp"] for c in table.history() if int(c["version"]) > needed]
        oldest = now.timestamp() - min(since) / 1000 + MARGIN if since else 0.0
        hours = max(keep.total_seconds(), oldest) / 3600
        done = table.vacuum(
            ceil(hours),  # rounded down, it would eat the margin
            dry_run=False,
            enforce_retention_duration=False,  # `keep` is the rule here
            post_commithook_properties=KEEP_FOR_EVER,
            full=True,
        )
        return len(done)
    except (DeltaError, OSError) as error:
        raise StoreUnavailable(f"vacuum {uri}: {error}") from error
