"""Which Delta tables an entry of our own may be written to: those that ask nothing of a writer that we do not do."""

from deltalake import DeltaTable

from common.core.errors import UnknownFeature

BY_FEATURES = (3, 7)  # the versions of readers and of writers from which a table lists its features
READERS, WRITERS = (1, BY_FEATURES[0]), (1, 2, 3, 4, BY_FEATURES[1])
# Most of them ask nothing while they are not used, and `_uses` tells whether they are.
FEATURES = {"appendOnly", "changeDataFeed", "checkConstraints", "generatedColumns", "invariants", "timestampNtz"}


def require_known(table: DeltaTable, what: str) -> None:
    """Check that an entry of ours leaves the table as its protocol asks; raises UnknownFeature."""
    found = table.protocol()
    asked = {*(found.reader_features or ()), *(found.writer_features or ())} - FEATURES
    if found.min_reader_version not in READERS:
        asked.add(f"reader version {found.min_reader_version}")
    if found.min_writer_version not in WRITERS:
        asked.add(f"writer version {found.min_writer_version}")
    if asked := asked | _uses(table):
        raise UnknownFeature(
            f"{what} asks of its writers {', '.join(sorted(asked))}, which Watershed does not do. Nothing was written. "
            "Take it out of the table, or make the table anew."
        )


def _uses(table: DeltaTable) -> set[str]:
    """Name what a table uses that must be kept for each row that is written."""
    settings = table.metadata().configuration
    used = {name for name in settings if name.startswith("delta.constraints.")}
    used |= {name for name in ("delta.appendOnly",) if settings.get(name, "false").lower() == "true"}
    if settings.get("delta.columnMapping.mode", "none") != "none":
        used.add("delta.columnMapping.mode")
    return used | {name for field in table.schema().fields for name in field.metadata if name.startswith("delta.")}
