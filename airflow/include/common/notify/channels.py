"""The channels, by the words that routes and DAGs use."""

from common.core.errors import ConfigError
from common.notify.channel import Channel
from common.notify.mail import Mail
from common.notify.pagerduty import PagerDuty
from common.notify.slack import Slack
from common.notify.teams import Teams
from common.notify.telegram import Telegram

CHANNELS: dict[str, Channel] = {
    "slack": Slack(),
    "mail": Mail(),
    "teams": Teams(),
    "telegram": Telegram(),
    "pagerduty": PagerDuty(),
}


def channel_named(word: str) -> Channel:
    """Return a channel; raises ConfigError naming the known ones."""
    if word not in CHANNELS:
        raise ConfigError(f"No channel named '{word}'. Known: {', '.join(CHANNELS)}.")
    return CHANNELS[word]
