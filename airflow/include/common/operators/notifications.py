"""Tasks that tell people something: reports, as a rule.

`SlackNotificationOperator(task_id="report", to="#sales", title="Sales of {{ ds }}", facts={"Rows": "{{ ... }}"})`
"""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from uuid import UUID

from airflow.sdk import BaseOperator, Context
from airflow.sdk.exceptions import AirflowFailException

from common.core.errors import ConfigError
from common.core.ids import batch_id
from common.notify.channel import Undelivered
from common.notify.message import Message, Severity, State

NOW, QUEUED = "now", "queued"


class NotificationOperator(BaseOperator):
    """Sends one message, and returns the id of its delivery.

    With `deliver="now"` it is sent with retries for a minute, and the task fails where it does not arrive, for good
    where another try cannot help. With "queued" it goes through the ledger's outbox as alerts do, and the task succeeds
    whatever happens. It is a report, or from severity "error" on an alert.
    """

    template_fields: Sequence[str] = ("to", "title", "text", "facts", "link")
    channel: ClassVar[str]
    ui_color = "#e0f2fe"

    def __init__(
        self,
        *,
        to: str,
        title: str,
        text: str = "",
        facts: Mapping[str, Any] | None = None,
        link: str = "",
        severity: str = "info",
        deliver: str = NOW,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if deliver not in (NOW, QUEUED):
            raise ConfigError(f"No way to deliver named '{deliver}'. Known: {NOW}, {QUEUED}.")
        self.to, self.title, self.text, self.facts, self.link = to, title, text, dict(facts or {}), link
        self.severity, self.deliver = Severity(severity).value, deliver

    def execute(self, context: Context) -> str:
        """Send the message; raises Undelivered, or AirflowFailException where another try cannot help."""
        from common.notify.say import say, send_now  # loads the ledger, which a DAG file need not

        ti = context["ti"]
        message = self.message(str(UUID(batch_id(ti.dag_id, ti.run_id, ti.task_id, ti.map_index))))
        if self.deliver == QUEUED:
            say(message, self.channel, str(self.to))
            return message.delivery
        try:
            send_now(message, self.channel, str(self.to), again=ti.try_number > 1)
        except Undelivered as failure:
            if failure.lasting:
                raise AirflowFailException(f"The message was not taken by {self.channel}: {failure}.") from None
            raise
        return message.delivery

    def message(self, delivery: str) -> Message:
        """Return what is to be said."""
        severity = Severity(self.severity)
        return Message(
            title=str(self.title),
            state=State.REPORT if severity.rank < Severity.ERROR.rank else State.OPENED,
            severity=severity,
            facts=tuple((name, str(value)) for name, value in self.facts.items()),
            link=str(self.link),
            delivery=delivery,
            text=str(self.text),
        )


class SlackNotificationOperator(NotificationOperator):
    """To a channel of Slack, as #name or id."""

    channel = "slack"


class EmailNotificationOperator(NotificationOperator):
    """To mail addresses, divided by commas."""

    channel = "mail"


class MSTeamsNotificationOperator(NotificationOperator):
    """To Microsoft Teams, by the id of the Airflow Connection that has a Workflow's address."""

    channel = "teams"


class TelegramNotificationOperator(NotificationOperator):
    """To a chat of Telegram, by its id."""

    channel = "telegram"
