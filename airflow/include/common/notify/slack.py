"""Slack, by a bot token (`chat:write`) in an Airflow Connection."""

from typing import Any

from common.notify.message import Message

TEXT_LIMIT = 2900  # Slack refuses a text block of more than 3,000 characters


def blocks(message: Message) -> list[dict[str, Any]]:
    """Render a message as Block Kit."""
    found: list[dict[str, Any]] = [
        {"type": "header", "text": {"type": "plain_text", "text": message.title[:150]}},
    ]
    if message.facts:
        fields = [{"type": "mrkdwn", "text": f"*{name}*\n{_escaped(value)}"} for name, value in message.facts]
        found.append({"type": "section", "fields": fields[:10]})
    if message.error:
        text = _escaped(message.error)[:TEXT_LIMIT]
        found.append({"type": "section", "text": {"type": "mrkdwn", "text": f"```{text}```"}})
    if message.link:
        found.append({"type": "section", "text": {"type": "mrkdwn", "text": f"<{message.link}|Open the log>"}})
    return found


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("```", "'''")


def post(message: Message, conn_id: str, channel: str) -> None:
    """Post a message; raises what the provider raises."""
    from airflow.providers.slack.hooks.slack import SlackHook

    hook = SlackHook(slack_conn_id=conn_id, timeout=10)
    hook.call("chat.postMessage", json={"channel": channel, "text": message.plain, "blocks": blocks(message)})
