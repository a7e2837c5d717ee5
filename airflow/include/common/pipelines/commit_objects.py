"""Write-once objects as the commits of a target that keeps no token: whoever writes `<consumer>/<N>.json` has hop N."""

import json

from common.core.assets import Zone
from common.core.errors import CommitConflict
from common.core.nouns import Head
from common.core.versions import read_versioned
from common.ledger.claims import Claim
from common.ledger.manifests import commit_key
from common.zones.store import ZoneStore

VERSION = 2


class CommitObjects:
    """The commits of one consumer, beside its manifests."""

    def __init__(self, consumer: str) -> None:
        self.consumer = consumer
        self._store = ZoneStore(Zone.MANIFESTS)
        self._head = Head()

    def head(self) -> Head:
        """Find the last commit; hops have no gaps, so doubling steps find it. Raises NewerVersion."""
        low, step = self._head.hop, 1
        while self._exists(low + step):
            low, step = low + step, step * 2
        while step > 1:
            step //= 2
            if self._exists(low + step):
                low += step
        key = commit_key(self.consumer, low)
        content = self._store.read(key) if low else None
        self._head = Head(low, committed_attempt(content, key)) if content else Head()
        return self._head

    def _exists(self, hop: int) -> bool:
        return self._store.head(commit_key(self.consumer, hop)) is not None

    def commit(self, held: Claim) -> None:
        """Write the commit object of a hop, once; raises CommitConflict where somebody else has."""
        if not self._store.put_json(commit_key(self.consumer, held.hop), {"v": VERSION, "attempt": held.attempt}):
            raise CommitConflict(f"Hop {held.hop} of {held.consumer} was committed by another attempt.")


def committed_attempt(content: bytes, where: str) -> int:
    """Read which attempt a commit object names: version 1 was its bare digits. Raises NewerVersion."""
    stored = json.loads(content)
    if isinstance(stored, int):
        return stored
    return int(read_versioned(stored, {VERSION: dict}, where)["attempt"])
