"""A mail server that keeps what it is sent; it asks for a login, and has no TLS: it serves this machine only."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from html import escape
from typing import Any, cast
from weakref import WeakSet

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from devstack.channels import MAIL_LOGIN
from devstack.standins.messages.faults import Fault, Faults, Kind
from devstack.standins.messages.mailbox import Record
from devstack.standins.messages.pages import article, table, text
from devstack.standins.messages.service import Account, Service

# What it says where it fails on purpose; RFC 5321, 4.2 and RFC 3463.
ANSWERS = {
    Kind.BUSY: "451 4.7.1 Too many messages, try again later",
    Kind.BROKEN: "421 4.3.0 Service not available, closing transmission channel",
    Kind.REFUSED: "535 5.7.8 Authentication credentials invalid",
}


class MailHandler:
    """What aiosmtpd asks at each step of a session."""

    def __init__(self, account: Account, faults: Faults) -> None:
        self._account, self._faults = account, faults
        self._refused: WeakSet[Session] = WeakSet()

    def authenticate(self, _server: SMTP, session: Session, _envelope: Envelope, _how: str, login: Any) -> AuthResult:
        """Return whether a login is right."""
        if self._faults.take(SERVICE.name, lambda fault: fault.fault is Kind.REFUSED and not fault.after):
            self._refused.add(session)  # clients try one mechanism after the other
        right = isinstance(login, LoginPassword) and login.login.decode(errors="replace") == MAIL_LOGIN
        known = right and self._account.admits(login.password.decode(errors="replace"))
        return AuthResult(success=known and session not in self._refused, handled=False)

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        """Begin a message."""
        if not session.authenticated:
            return "530 5.7.0 Authentication required"
        fault = self._faults.take(SERVICE.name, lambda fault: fault.fault is not Kind.REFUSED and not fault.after)
        if fault and (answer := await _fail(fault, server)):
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 2.1.0 Ok"

    async def handle_DATA(self, server: SMTP, _session: Session, envelope: Envelope) -> str:
        """Keep a message."""
        self._account.box.keep(record(envelope))
        fault = self._faults.take(SERVICE.name, lambda fault: fault.after)
        answer = await _fail(fault, server) if fault else None
        return answer or f"250 2.0.0 Ok: queued as {uuid.uuid4().hex[:10].upper()}"


def record(envelope: Envelope) -> dict[str, Any]:
    """Return a message as it is kept."""
    raw = cast(bytes, envelope.original_content)
    mail = BytesParser(policy=policy.default).parsebytes(raw)
    return {
        "sender": envelope.mail_from,
        "to": list(envelope.rcpt_tos),
        "from": str(mail["From"] or ""),
        "subject": str(mail["Subject"] or ""),
        "message_id": str(mail["Message-ID"] or ""),
        "text": _body(mail, "plain"),
        "html": _body(mail, "html"),
        "raw": raw.decode(errors="replace"),
    }


def _body(mail: EmailMessage, kind: str) -> str:
    part = mail.get_body((kind,))
    return str(part.get_content()).replace("\r\n", "\n") if part else ""


async def _fail(fault: Fault, server: SMTP) -> str | None:
    """Return what the server says in place of going on, if anything."""
    if fault.fault is Kind.SLOW:
        await asyncio.sleep(fault.seconds)  # aiosmtpd cancels it where the client hangs up
        return None
    if fault.fault is Kind.GONE:
        cast(asyncio.Transport, server.transport).abort()
        await asyncio.sleep(0)  # cancels this task
    return ANSWERS.get(fault.fault)


@asynccontextmanager
async def listening(account: Account, faults: Faults, host: str, port: int) -> AsyncIterator[None]:
    """Serve mail for the length of a block."""
    logging.getLogger("mail.log").setLevel(logging.ERROR)  # aiosmtpd warns of what it does itself, at each login
    handler, loop = MailHandler(account, faults), asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(
            handler,
            authenticator=handler.authenticate,
            auth_require_tls=False,
            enable_SMTPUTF8=True,
            hostname="standins",
            loop=loop,
        )

    server = await loop.create_server(session, host, port)
    try:
        yield
    finally:
        server.close()


def articles(messages: Sequence[Record]) -> list[str]:
    """Write mail as a mail program shows it: its HTML where no script runs, and the text version below."""
    return [article(message, ", ".join(message["to"]), _shown(message)) for message in messages]


def _shown(message: Record) -> str:
    rows = [("From", message["from"]), ("Subject", message["subject"]), ("Message-ID", message["message_id"])]
    html = f'<iframe sandbox="" srcdoc="{escape(message["html"])}"></iframe>' if message["html"] else ""
    return f"{table(rows)}{html}<details open><summary>Text</summary><pre>{text(message['text'])}</pre></details>"


SERVICE = Service(name="mail", title="E-mail", articles=articles)
