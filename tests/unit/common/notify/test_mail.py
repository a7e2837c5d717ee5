"""Mails as a server gets them."""

import asyncio
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from common.notify.channel import Undelivered
from common.notify.channels import CHANNELS
from common.notify.message import Message, State
from common.notify.samples import FULL, MARKUP
from devstack.ports import free_port

PASSWORD = "hush-9f86d081"
MESSAGE = replace(FULL, delivery="delivery-1")


@dataclass
class Box:
    """A mail server's handler: keeps mails, refuses what it is told to."""

    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    refuses: dict[str, str] = field(default_factory=dict)  # addresses, or "data"
    after: float = 0.0
    port: int = 0

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        if address in self.refuses:
            return self.refuses[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        await asyncio.sleep(self.after)
        if "data" in self.refuses:
            return self.refuses["data"]
        mail = message_from_bytes(envelope.content, policy=default)
        assert isinstance(mail, EmailMessage)
        self.mails.append(mail)
        self.recipients.append(envelope.rcpt_tos)
        return "250 OK"


@pytest.fixture
def box(monkeypatch: pytest.MonkeyPatch) -> Iterator[Box]:
    box = Box(port=free_port())

    def authenticate(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        return AuthResult(success=data.password == PASSWORD.encode(), handled=False)

    controller = Controller(box, "127.0.0.1", box.port, authenticator=authenticate, auth_require_tls=False)
    controller.start()
    connect(monkeypatch, box.port)
    yield box
    controller.stop()


def connect(monkeypatch: pytest.MonkeyPatch, port: int, password: str = PASSWORD, **extra: Any) -> None:
    values = {"conn_type": "smtp", "host": "127.0.0.1", "port": port, "login": "me@example.org", "password": password}
    extra = {"disable_ssl": True, "disable_tls": True, "from_email": "Data <data@example.org>", **extra}
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps({**values, "extra": extra}))


def send(message: Message = MESSAGE, to: str = "a@example.org", patience: float = 10.0) -> None:
    CHANNELS["mail"].send(message, to, again=False, patience=patience)


def refused(to: str = "a@example.org", patience: float = 10.0) -> Undelivered:
    with pytest.raises(Undelivered) as caught:
        send(to=to, patience=patience)
    assert PASSWORD not in str(caught.value)
    return caught.value


def test_a_mail_has_text_and_html_a_subject_and_its_delivery(box: Box) -> None:
    send(to="a@example.org; Bee <b@example.org>")
    (mail,) = box.mails
    assert box.recipients == [["a@example.org", "b@example.org"]]
    assert mail["Subject"] == "❌ Failed: shop_sales_to_silver.sales"
    assert mail["Message-ID"] == "<delivery-1@watershed>"
    assert mail["From"] == "Data <data@example.org>"
    text, html = (mail.get_body((kind,)) for kind in ("plain", "html"))
    assert text and html
    for part in (text.get_content(), html.get_content()):
        assert "UnreadableFile: line 7" in part and "delivery-1" in part and FULL.link in part


def test_mails_of_one_incident_are_one_thread(box: Box) -> None:
    for state in (State.OPENED, State.STILL_OPEN, State.RESOLVED):
        send(replace(MESSAGE, state=state, delivery=f"delivery-{state.name}"))
    send(replace(MESSAGE, key="another", state=State.RESOLVED))
    opened, still, resolved, other = box.mails
    assert opened["References"] == still["References"] == resolved["References"] != other["References"]
    assert still["In-Reply-To"] == resolved["In-Reply-To"] == opened["References"]
    assert opened["In-Reply-To"] is None
    assert len({mail["Message-ID"] for mail in box.mails[:3]}) == 3


def test_any_text_makes_a_sound_mail(box: Box) -> None:
    title = "a\r\nBcc: evil@example.org\r\n\r\nbody\u2028é" + "x" * 2_000
    send(Message(title, facts=((MARKUP, MARKUP),), error=MARKUP + "\r\n.\r\nQUIT", delivery="d"))
    (mail,) = box.mails
    assert mail["Bcc"] is None
    assert len(mail["Subject"]) < 260
    assert ".\r\nQUIT" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]


def test_what_a_server_refuses_for_good_lasts(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    box.refuses = {"a@example.org": "550 no such user a@example.org"}
    failure = refused()
    assert failure.lasting and "550" in str(failure) and "a@example.org" not in str(failure)
    box.refuses = {"data": "554 too big"}
    assert refused().lasting
    connect(monkeypatch, box.port, password="wrong")
    failure = refused()
    assert failure.lasting and "login: 535" in str(failure)


def test_what_a_server_refuses_for_now_does_not_last(box: Box) -> None:
    box.refuses = {"a@example.org": "451 greylisted"}
    assert not refused().lasting
    box.refuses = {"data": "452 full"}
    assert not refused().lasting


def test_a_mail_that_some_may_have_is_not_sent_again(box: Box) -> None:
    box.refuses = {"b@example.org": "550 no such user"}
    send(to="a@example.org, b@example.org")
    assert box.recipients == [["a@example.org"]]


def test_a_silent_server_costs_no_more_than_the_patience(box: Box) -> None:
    box.after = 60.0
    assert not refused(patience=0.5).lasting, "who waits for the answer is told that all is well"


def test_what_nobody_can_send_lasts(monkeypatch: pytest.MonkeyPatch, box: Box) -> None:
    assert refused(to="nobody").lasting
    connect(monkeypatch, box.port, from_email="")
    send()
    assert box.mails[0]["From"] == "me@example.org"


def test_a_missing_connection_lasts_and_a_dead_port_does_not(monkeypatch: pytest.MonkeyPatch) -> None:
    failure = refused()
    assert failure.lasting and "smtp_default" in str(failure)
    connect(monkeypatch, 1)
    failure = refused()
    assert not failure.lasting


def test_a_server_that_hangs_up_is_called_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def hang_up() -> None:
            for _ in range(6):
                with suppress(OSError):
                    calls.append(server.accept()[0].close())

        threading.Thread(target=hang_up, daemon=True).start()
        connect(monkeypatch, server.getsockname()[1])
        assert not refused().lasting
    assert len(calls) == 1
