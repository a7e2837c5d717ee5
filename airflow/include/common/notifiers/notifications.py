"""Tell people of a DAG's or a task's success or failure, or of a deadline that it missed.

`DAG(on_failure_callback=SlackNotifier(to="#data-alerts"))`; the same for tasks, for success, and for deadlines:
`DeadlineAlert(..., callback=SyncCallback(EmailNotifier, kwargs={"to": "a@example.org"}))`.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from airflow.sdk import BaseNotifier, Context
from airflow.sdk.configuration import conf

from common.notify.message import Message, Severity
from common.notify.runs import message_of


class MessageNotifier(BaseNotifier):
    """Sends one message to `to`: what the callback is about, with a title, a text and facts of your own, if any.

    All are templates of Airflow's. Where there is a ledger the message is queued there, so that none is lost and no
    task waits; elsewhere it is sent at once, with retries. It fails no task.
    """

    template_fields: Sequence[str] = ("to", "title", "text", "facts")
    channel: ClassVar[str]

    def __init__(
        self,
        *,
        to: str,
        title: str = "",
        text: str = "",
        facts: Mapping[str, str] | None = None,
        severity: str = "",
        context: Context | None = None,
    ) -> None:
        self.to, self.title, self.text, self.facts = to, title, text, dict(facts or {})
        self.severity = Severity(severity) if severity else None
        super().__init__(context)

    def render_template_fields(self, context: Context, jinja_env: Any = None) -> None:
        """Render the texts; where a template has an error they are sent as they are: no message is lost."""
        try:
            super().render_template_fields(context, jinja_env)
        except Exception:
            self.log.exception("A template has an error; its text is sent as it is.")

    def message(self, context: Mapping[str, Any]) -> Message:
        """Return what is to be said."""
        found = message_of(context, conf.get("api", "base_url", fallback=""))
        own = tuple((name, str(value)) for name, value in self.facts.items())
        return replace(
            found,
            title=str(self.title) or found.title,
            text=str(self.text),
            facts=(*found.facts, *own),
            severity=self.severity or found.severity,
        )

    def notify(self, context: Context) -> None:
        """Send the message."""
        from common.notify.say import say  # loads the ledger, which a DAG file need not

        say(self.message(context), self.channel, str(self.to))

    async def async_notify(self, context: Context) -> None:
        """Send the message from the triggerer, which goes on meanwhile."""
        await asyncio.to_thread(self.notify, context)


class SlackNotifier(MessageNotifier):
    """To a channel of Slack, as #name or id."""

    channel = "slack"


class EmailNotifier(MessageNotifier):
    """To mail addresses, divided by commas."""

    channel = "mail"


class MSTeamsNotifier(MessageNotifier):
    """To Microsoft Teams, by the id of the Airflow Connection that has a Workflow's address."""

    channel = "teams"


class TelegramNotifier(MessageNotifier):
    """To a chat of Telegram, by its id."""

    channel = "telegram"


class PagerDutyNotifier(MessageNotifier):
    """To a service of PagerDuty, by the id of the Airflow Connection that has its routing key."""

    channel = "pagerduty"
