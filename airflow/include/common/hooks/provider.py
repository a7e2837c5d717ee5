"""What Airflow is told of the hooks here: the types of their connections, and the fields of their forms."""

from typing import Any

TEXT = {"type": ["string", "null"]}


def get_provider_info() -> dict[str, Any]:
    """Return the metadata that Airflow reads from the entry point `apache_airflow_provider`."""
    return {
        "package-name": "watershed",
        "name": "Watershed",
        "description": "Hooks of the Watershed data platform.",
        "connection-types": [
            {
                "connection-type": "veeva",
                "hook-class-name": "common.hooks.veeva.VeevaHook",
                "hook-name": "Veeva Vault",
                "ui-field-behaviour": {
                    "hidden-fields": ["schema"],
                    "relabeling": {"host": "Vault DNS", "login": "User name"},
                    "placeholders": {"host": "acme-clinical.veevavault.com"},
                },
                "conn-fields": {
                    "vault_id": {
                        "label": "Vault ID",
                        "description": "A login that ends in another vault is refused.",
                        "schema": {"type": "string"},
                    },
                    "api_version": {"label": "API version", "schema": {**TEXT, "default": "v25.1"}},
                    "vault_dns": {
                        "label": "DNS to log in with",
                        "description": "Where it is not the host, as behind a proxy.",
                        "schema": TEXT,
                    },
                },
            }
        ],
    }
