"""E-mail, by the SMTP provider and an Airflow Connection; `to` is addresses, divided by commas."""

from collections.abc import Callable, Sequence
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses
from functools import partial
from smtplib import SMTPAuthenticationError, SMTPException, SMTPRecipientsRefused, SMTPResponseException
from typing import Any

from common.core.clock import now
from common.core.connections import connection
from common.core.ids import short_hash
from common.core.settings import channels
from common.notify.attempt import attempt
from common.notify.channel import Undelivered
from common.notify.forms import MAIL_HTML, MAIL_TEXT
from common.notify.look import heading, look
from common.notify.message import Message, State
from common.notify.render import rendered
from common.observe.log import logger

log = logger(__name__)
REFUSED_FOR_GOOD = 500  # SMTP's replies from here on
HERE = "watershed"  # the right side of Message-IDs: ids are unique wherever they were made


class Mail:
    """Sends HTML with a text beside it."""

    def send(self, message: Message, to: str, *, again: bool, patience: float) -> None:  # noqa: ARG002 - of the protocol
        """Send a mail once; raises Undelivered. A repeat has the same Message-ID, by which mail servers may know it."""
        attempt(partial(_prepare, message, to, patience), patience)


def _prepare(message: Message, to: str, patience: float) -> Callable[[], None]:
    recipients = [address for _, address in getaddresses([to.replace(";", ",")]) if "@" in address]
    if not recipients:
        raise Undelivered(f"'{to}' is no mail address", lasting=True)
    return partial(_send, _hook(patience), _mail(message, recipients), recipients)


def _send(hook: Any, mail: EmailMessage, recipients: Sequence[str]) -> None:
    try:
        hook.get_conn()
        mail["From"] = sender = hook.from_email or hook.smtp_user
        if "@" not in sender:
            raise Undelivered(f"'{channels().mail_conn}' names no sender: from_email in its extra", lasting=True)
        refused = hook._smtp_client.send_message(mail, sender, recipients)
    except SMTPException as refusal:
        raise _undelivered(refusal) from None
    finally:
        if hook._smtp_client:
            hook._smtp_client.close()
    if refused:  # the others have it
        log.warning("mail refused for some", codes=[code for code, _ in refused.values()], mail=mail["Message-ID"])


def _hook(patience: float) -> Any:
    """Return the provider's hook, which by itself would try six times, of 30 seconds each."""
    from airflow.providers.smtp.hooks.smtp import SmtpHook

    found = connection(channels().mail_conn)

    class OneTry(SmtpHook):
        smtp_retry_limit = property(lambda _: 0)
        timeout = property(lambda _: patience)

        @classmethod
        def get_connection(cls, _conn_id: str) -> Any:
            return found

    return OneTry(smtp_conn_id=channels().mail_conn)


def _mail(message: Message, recipients: Sequence[str]) -> EmailMessage:
    bounded, mail = message.bounded, EmailMessage(SMTP)
    mail["Subject"] = f"{look(message).sign} {heading(bounded)}"
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(now())
    mail["Auto-Submitted"] = "auto-generated"  # no absence replies
    if message.delivery:
        mail["Message-ID"] = f"<{message.delivery}@{HERE}>"
    if message.key:
        thread = f"<{short_hash(message.key)}.thread@{HERE}>"
        mail["References"] = thread
        if message.state is not State.OPENED:
            mail["In-Reply-To"] = thread
    mail.set_content(rendered(MAIL_TEXT, message))
    mail.add_alternative(rendered(MAIL_HTML, message), subtype="html")
    return mail


def _undelivered(refusal: SMTPException) -> Undelivered:
    """Say why a mail server did not take a mail; its own words may hold addresses, which stay out."""
    if isinstance(refusal, SMTPRecipientsRefused):
        codes = sorted({code for code, _ in refusal.recipients.values()})
        lasting = min(codes) >= REFUSED_FOR_GOOD
        return Undelivered(f"the mail server refuses each recipient: {', '.join(map(str, codes))}", lasting=lasting)
    if isinstance(refusal, SMTPResponseException):
        lasting = refusal.smtp_code >= REFUSED_FOR_GOOD
        what = "login" if isinstance(refusal, SMTPAuthenticationError) else "mail"
        return Undelivered(f"the mail server refuses the {what}: {refusal.smtp_code}", lasting=lasting)
    return Undelivered(f"the mail server does not answer as expected: {type(refusal).__name__}", unknown=True)
