"""Connections of the services that the stand-ins serve: those that carry messages, Google Sheets, Veeva Vault."""

import json
from collections.abc import Mapping
from typing import Any

from devstack.keys import Keys, service_account
from devstack.ports import HOST

MAIL_LOGIN = "watershed"
SCOPE = "https://www.googleapis.com/auth/spreadsheets.readonly"
VAULT = {"vault_dns": "clinical.veevavault.localhost", "vault_id": "1001", "api_version": "v25.1"}
VAULT_USER = "watershed@clinical.localhost"
FLOW = "/workflows/data-alerts/triggers/manual/paths/invoke"  # of MS Teams; its name is where messages go


def connections(ports: Mapping[str, int], keys: Keys) -> dict[str, dict[str, Any]]:
    """Return the Connections by their names.

    What a service knows its callers by is the password; of MS Teams that is the whole address.
    """
    address = f"http://{HOST}:{ports['standins']}"
    return {
        "SLACK_DEFAULT": {"conn_type": "slack", "password": keys.slack, "extra": {"base_url": f"{address}/api/"}},
        "SMTP_DEFAULT": {
            "conn_type": "smtp",
            "host": HOST,
            "port": ports["smtp"],
            "login": MAIL_LOGIN,
            "password": keys.mail,
            "extra": {"disable_ssl": True, "disable_tls": True, "from_email": "watershed@localhost"},
        },
        "MSTEAMS_DEFAULT": {"conn_type": "msteams", "password": f"{address}{FLOW}?sig={keys.teams}"},
        "TELEGRAM_DEFAULT": {"conn_type": "telegram", "host": address, "password": keys.telegram},
        "PAGERDUTY_DEFAULT": {"conn_type": "pagerduty", "host": address, "password": keys.pagerduty},
        "GOOGLE_SHEETS": {
            "conn_type": "google_cloud_platform",
            "extra": {
                "keyfile_dict": json.dumps(service_account(keys, address)),
                "scope": SCOPE,
                "api_endpoint": f"{address}/google/",
            },
        },
        "VEEVA_DEFAULT": {
            "conn_type": "veeva",
            "host": f"{address}/veeva",
            "login": VAULT_USER,
            "password": keys.veeva,
            "extra": VAULT,
        },
    }
