"""What happens between two statements of one transaction, made to happen every time."""

from typing import Any

import pytest

from common.ledger import untaken
from common.pipelines.hop import drain
from tests.fake_step import FakeStep, arrive
from tests.world import World


def test_a_batch_that_arrives_while_a_consumer_looks_is_taken_by_its_next_claim(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, real, came = FakeStep(), untaken.first_untaken, []
    arrive(step, "a")
    drain(step, "me")

    def looked(*arguments: Any) -> Any:
        found = real(*arguments)
        if not came:
            came.append("b")
            arrive_beside(step, "b")
        return found

    monkeypatch.setattr(untaken, "first_untaken", looked)
    assert drain(step, "me").hops == []
    assert drain(step, "me").hops == [2]
    assert step.taken == ["a", "b"]


def arrive_beside(step: FakeStep, name: str) -> None:
    """Record a batch in a transaction that needs no lock of the consumer, as the one upstream does."""
    from common.core.ids import batch_id
    from common.core.nouns import Batch
    from common.core.places import Unnamed
    from common.ledger.batches import record_batches
    from common.ledger.database import transaction
    from tests.fake_step import IN

    with transaction() as connection:
        record_batches(connection, [Batch(batch_id(IN, name), IN, place=Unnamed({"name": name}))])
