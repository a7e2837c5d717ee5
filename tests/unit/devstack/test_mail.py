"""The mail stand-in takes mail by SMTP from who has its login, and fails as a mail server fails."""

import json
import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from email.utils import make_msgid

import httpx
import pytest
from airflow.providers.smtp.hooks.smtp import SmtpHook

from devstack.channels import MAIL_LOGIN, connections
from devstack.standins.messages.mail import articles
from devstack.standins.messages.server import Setup
from tests.unit.devstack.conftest import KEYS


@pytest.fixture
def smtp(served: Setup, server: httpx.Client) -> Iterator[smtplib.SMTP]:
    """A session that is not logged in."""
    session = smtplib.SMTP(served.host, served.smtp_port, timeout=10)
    yield session
    session.close()


@pytest.fixture
def session(smtp: smtplib.SMTP) -> smtplib.SMTP:
    smtp.login(MAIL_LOGIN, "right")
    return smtp


def mail(subject: str = "It failed") -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "Watershed <w@localhost>", "ops@localhost", subject
    message["Message-ID"] = make_msgid(domain="localhost")
    message.set_content("plain é\n")
    message.add_alternative("<b>bold</b>\n", subtype="html")
    return message


def kept(server: httpx.Client, message: EmailMessage) -> int:
    found = server.get("/messages", params={"service": "mail"}).json()
    return sum(one["message_id"] == message["Message-ID"] for one in found)


def fail(server: httpx.Client, fault: str, **more: object) -> None:
    server.post("/faults", json={"channel": "mail", "fault": fault, "times": 1, **more}).raise_for_status()


def test_mail_is_kept_raw_and_parsed(session: smtplib.SMTP, server: httpx.Client) -> None:
    message = mail("Übles <b>")
    session.send_message(message, to_addrs=["ops@localhost", "duty@localhost"])
    found = server.get("/messages", params={"service": "mail"}).json()[-1]
    assert (found["subject"], found["from"], found["sender"]) == ("Übles <b>", "Watershed <w@localhost>", "w@localhost")
    assert found["to"] == ["ops@localhost", "duty@localhost"]
    assert (found["text"], found["html"]) == ("plain é\n", "<b>bold</b>\n")
    assert found["message_id"] == message["Message-ID"]
    assert found["raw"].startswith("From: Watershed")


def test_airflows_hook_sends_with_the_connection_of_the_stack(
    served: Setup, server: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connections({"standins": served.port, "smtp": served.smtp_port}, KEYS)["SMTP_DEFAULT"]
    monkeypatch.setenv("AIRFLOW_CONN_SMTP_DEFAULT", json.dumps(connection))
    with SmtpHook() as hook:
        hook.send_email_smtp(to="ops@localhost", subject="by the hook", html_content="<b>x</b>")
    found = server.get("/messages", params={"service": "mail"}).json()[-1]
    assert (found["from"], found["subject"], found["to"]) == ("watershed@localhost", "by the hook", ["ops@localhost"])


def test_nobody_sends_without_the_login(smtp: smtplib.SMTP, server: httpx.Client) -> None:
    message = mail()
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        smtp.send_message(message)
    assert refused.value.smtp_code == 530
    for login, password in ((MAIL_LOGIN, "wrong"), ("somebody", "right")):
        with pytest.raises(smtplib.SMTPAuthenticationError):
            smtp.login(login, password)
    assert kept(server, message) == 0


@pytest.mark.parametrize(("fault", "code"), [("busy", 451), ("broken", 421)])
def test_a_busy_or_broken_server_says_so_once(
    session: smtplib.SMTP, server: httpx.Client, fault: str, code: int
) -> None:
    message = mail()
    fail(server, fault)
    with pytest.raises(smtplib.SMTPSenderRefused) as refused:
        session.send_message(message)
    assert refused.value.smtp_code == code
    assert kept(server, message) == 0


def test_a_refused_login_is_right_the_next_time(smtp: smtplib.SMTP, served: Setup, server: httpx.Client) -> None:
    fail(server, "refused")
    with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
        smtp.login(MAIL_LOGIN, "right")
    assert refused.value.smtp_code == 535
    with smtplib.SMTP(served.host, served.smtp_port) as again:
        again.login(MAIL_LOGIN, "right")


@pytest.mark.parametrize(("after", "expected"), [(False, 0), (True, 1)])
def test_a_server_that_is_gone_may_have_kept_the_message(
    session: smtplib.SMTP, server: httpx.Client, after: bool, expected: int
) -> None:
    message = mail()
    fail(server, "gone", after=after)
    with pytest.raises((smtplib.SMTPServerDisconnected, ConnectionError)):
        session.send_message(message)
    assert kept(server, message) == expected


@pytest.mark.parametrize(("after", "expected"), [(False, 0), (True, 1)])
def test_who_hangs_up_on_a_slow_server_may_have_sent(
    session: smtplib.SMTP, server: httpx.Client, after: bool, expected: int
) -> None:
    message = mail()
    fail(server, "slow", after=after)
    assert session.sock
    session.sock.settimeout(0.1)
    with pytest.raises((TimeoutError, smtplib.SMTPServerDisconnected)):
        session.send_message(message)
    session.close()
    assert kept(server, message) == expected


def test_a_server_that_is_slow_for_a_while_takes_the_message(session: smtplib.SMTP, server: httpx.Client) -> None:
    message = mail()
    fail(server, "slow", seconds=0.05)
    session.send_message(message)
    assert kept(server, message) == 1


def test_the_page_shows_html_where_no_script_runs() -> None:
    nasty = "<script>x</script>\"'"
    (html,) = articles(
        [dict.fromkeys(("from", "subject", "message_id", "text", "html", "received"), nasty) | {"to": [nasty]}]
    )
    assert "<script" not in html
    assert '<iframe sandbox="" srcdoc="&lt;script&gt;x&lt;/script&gt;&quot;&#x27;"></iframe>' in html
