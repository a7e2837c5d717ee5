"""The error tree of Watershed; the branch decides whether a retry can help.

WatershedError
├── TransientError          the same call may succeed later
│   ├── StoreUnavailable    object store slow, down or refusing for now
│   ├── TargetUnavailable   a target or the ledger's database slow, down or locked
│   │   └── Unsettled       whether a target has done what it was sent is unknown
│   ├── SourceUnavailable   a source does not answer, or refuses for now: too many calls
│   ├── MachineUnavailable  this machine's own disk is full or failing
│   ├── EngineUnavailable   the cluster that refines does not answer, or has lost what it was doing
│   ├── LeaseLost           another attempt owns the hop now
│   └── CommitConflict      the target's head moved under us
└── TerminalError           the same call fails until somebody changes something
    ├── ConfigError         a setting, connection or argument is missing or malformed
    ├── ContractError       a contract does not say something it must, or says it wrongly
    ├── NotApplied          a table, queue or consumer row is missing: run `watershed apply`
    ├── Drifted             a warehouse's table is not what its load asks for, and may not be changed
    ├── LedgerAhead         the ledger knows of a commit that the target does not have
    ├── NewerVersion        an object was written by a newer Watershed than this one
    ├── UnknownFeature      a lake table asks of its writers what Watershed does not know
    └── DataError           these records cannot be processed; narrowing the batch may help
        ├── UnreadableFile  the file is refused whole, with its reason
        ├── ModelError      a gold model cannot be read or run
        ├── QualityError    a batch-level check of severity `error` failed
        ├── SourceError     what a source holds cannot be taken as it is
        ├── RecordRefused   a target does not take a record as it is
        ├── EngineFailed    an engine failed on these records in a way that nobody has foreseen
        └── ConservationError  counts do not add up, nothing was published
"""

from collections.abc import Sequence


def is_panic(error: BaseException) -> bool:
    """Return whether an error is a panic of a library in Rust: no Exception, and a class of each library's own."""
    return type(error).__name__ == "PanicException"


class WatershedError(Exception):
    """Root of every error that Watershed raises on purpose."""


class TransientError(WatershedError):
    """The same call may succeed later: Airflow retries with backoff."""


class StoreUnavailable(TransientError):
    """The object store did not answer, or refused for now."""


class TargetUnavailable(TransientError):
    """A warehouse, another target or the ledger's database did not answer, or is locked."""


class Unsettled(TargetUnavailable):
    """A target was sent something, and whether it has done it is unknown: look before it is sent again."""


class SourceUnavailable(TransientError):
    """A sheet, a database or a folder did not answer, or refuses for now because it was asked too often."""


class MachineUnavailable(TransientError):
    """This machine's own disk is full or failing; another worker, or this one later, may do better."""


class EngineUnavailable(TransientError):
    """The cluster that refines does not answer, or has lost what it was doing; nothing was published."""


class LeaseLost(TransientError):
    """Another attempt owns the hop now; nothing of this one was published."""


class CommitConflict(TransientError):
    """The target's head moved since it was read; reconcile and look again."""


class TerminalError(WatershedError):
    """The same call fails until somebody changes something: Airflow does not retry."""


class ConfigError(TerminalError):
    """A setting, connection or argument is missing or malformed."""


class ContractError(TerminalError):
    """A contract lacks something it must say, or says it wrongly."""


class NotApplied(TerminalError):
    """A table, queue or consumer row is missing; `watershed apply` makes it."""


class Drifted(TerminalError):
    """A warehouse's table is not what its load asks for, and nothing may or can change it: nothing was loaded."""


class LedgerAhead(TerminalError):
    """The ledger knows of a commit that the target does not have."""


class NewerVersion(TerminalError):
    """What was written is of a version that this one cannot read; `what` says where it was found."""

    def __init__(self, what: str) -> None:
        super().__init__(f"{what}: written by a newer Watershed. Upgrade this one; nothing was changed.")


class UnknownFeature(TerminalError):
    """A lake table was given a version or feature of Delta that Watershed does not write; nothing was changed."""


class DataError(TerminalError):
    """These records cannot be processed as they are; `batches` names those at fault, where that is known."""

    batches: tuple[str, ...] = ()


class UnreadableFile(DataError):
    """A file is refused whole.

    `reason` is a stable word for counting and routing (`empty`, `truncated`, ...); the message is for people.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class ModelError(DataError):
    """A gold model cannot be read or run."""


class QualityError(DataError):
    """A batch breaks a rule for whole batches; nothing was published."""

    def __init__(self, message: str, batches: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.batches = tuple(batches)


class SourceError(DataError):
    """What a source holds cannot be taken as it is: a heading twice, a value that no file can hold."""


class RecordRefused(DataError):
    """A target does not take a record as it is; `rule` is a stable word, the message is for people."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class EngineFailed(DataError):
    """An engine failed on these records in a way that nobody has foreseen; nothing was published.

    Where batches are taken apart the one at fault is found and parked, so that it holds up no other.
    """


class ConservationError(DataError):
    """Records in are not records out; nothing was published."""
