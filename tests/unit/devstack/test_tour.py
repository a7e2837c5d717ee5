"""The demo waits for what is slow, and says what it waited for."""

from collections.abc import Callable

import httpx
import pytest

from devstack import tour
from devstack.tour import TourFailed, start_master, wait_for

ADDRESS = "http://airflow"


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    """Let Airflow's API give these answers, one after the other; return the bodies of what is posted to it."""

    def give(*those: int | httpx.TransportError) -> list[str]:
        left, posted = list(those), []

        def answer(request: httpx.Request) -> httpx.Response:
            if request.method == "GET":
                return httpx.Response(200, json={"access_token": "x"})
            posted.append(request.content.decode())
            found = left.pop(0)
            if isinstance(found, httpx.TransportError):
                raise found
            return httpx.Response(found, json={})

        transport, client = httpx.MockTransport(answer), httpx.Client
        monkeypatch.setattr(httpx, "Client", lambda **options: client(transport=transport, **options))
        monkeypatch.setattr(tour, "LOOK", 0.0)
        return posted

    return give


def test_an_api_that_is_slow_or_not_ready_is_asked_again_for_the_same_run(
    answers: Callable[..., list[str]],
) -> None:
    posted = answers(404, httpx.ReadTimeout("slow"), httpx.ConnectError("away"), 503, 409)
    start_master(ADDRESS, ["bronze"])
    assert len(posted) == 5
    assert len(set(posted)) == 1, "a request whose answer was lost may have started the run"


def test_what_the_api_refuses_is_not_asked_again(answers: Callable[..., list[str]]) -> None:
    posted = answers(403, 200)
    with pytest.raises(httpx.HTTPStatusError):
        start_master(ADDRESS, ["bronze"])
    assert len(posted) == 1


def test_patience_ends_with_what_was_waited_for_and_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour, "PATIENCE", 0.0)
    monkeypatch.setattr(tour, "LOOK", 0.0)
    with pytest.raises(TourFailed, match=r"Waited 0 s for the flood\. The sluice is shut\."):
        wait_for(lambda: False, lambda: None, "the flood", lambda: "The sluice is shut.")


def test_services_that_are_ill_or_silent_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tour, "waiting", lambda _domain: "3 files lie in raw, and no batch waits.")
    monkeypatch.setattr(tour, "health", lambda: {"scheduler": "unhealthy", "triggerer": "healthy"})
    assert "3 files lie in raw" in tour.why()
    assert "Airflow: scheduler is unhealthy." in tour.why()


def test_an_api_server_that_gives_no_answer_is_said_to_be_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tour.API, "http://127.0.0.1:1/execution/")
    assert tour.health() == {"api-server": "silent (ConnectError)"}
