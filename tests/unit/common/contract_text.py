"""A short way to write contracts in tests."""

import json
from typing import Any

from common.contracts.contract import Contract
from common.contracts.read import parse_contract


def contract(*columns: dict[str, Any], **words: Any) -> Contract:
    """Make the contract of `shop.orders` with these columns (ODCS properties) and custom properties."""
    properties = [{"logicalType": "string", **column} for column in columns]
    document = {
        "apiVersion": "v3.0.2",
        "kind": "DataContract",
        "id": "urn:test",
        "name": "orders",
        "version": "1.0.0",
        "status": "active",
        "domain": "shop",
        "schema": [{"name": "orders", "properties": properties}],
        "customProperties": [{"property": name, "value": value} for name, value in words.items()],
    }
    return parse_contract(json.dumps(document))


def said(name: str, **words: Any) -> dict[str, Any]:
    """Make a column with custom properties."""
    return {"name": name, "customProperties": [{"property": n, "value": v} for n, v in words.items()]}
