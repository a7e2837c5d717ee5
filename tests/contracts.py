"""The text of a contract that a test makes up: its columns, and the custom properties that differ."""

from collections.abc import Mapping, Sequence
from pathlib import Path

INCREMENTAL = "{to: warehouse, strategy: incremental}"
TEXT = """
apiVersion: v3.0.2
kind: DataContract
id: urn:{domain}:{name}
name: {name}
version: 1.0.0
status: active
domain: {domain}
schema:
  - name: {name}
    properties:
{columns}
customProperties:
{properties}
"""


def write_contract(domain: Path, name: str, columns: Sequence[str], properties: Mapping[str, str]) -> None:
    """Write a contract into a domain's folder: columns as in YAML without braces, properties by name."""
    text = TEXT.format(
        domain=domain.name,
        name=name,
        columns="\n".join(f"      - {{{column}}}" for column in columns),
        properties="\n".join(f"  - {{property: {word}, value: {value}}}" for word, value in properties.items()),
    )
    (domain / "contracts").mkdir(parents=True, exist_ok=True)
    (domain / "contracts" / f"{name}.yaml").write_text(text)
