"""The error tree of the publisher; every leaf has an exit code of its own in `cli/main.py`.

PublisherError
├── Refused         what was asked for is not allowed: a name, an option, a package's DAGs
├── Conflict        another publisher came first, or another package has the id
├── Missing         the package, release or file that was named is not there
├── Corrupt         what the store holds is not what was published
└── StoreUnavailable  the object store did not answer, or refused; the same call may succeed later
"""


class PublisherError(Exception):
    """Root of every error that the publisher raises on purpose."""


class Refused(PublisherError):
    """What was asked for is not allowed."""


class Conflict(PublisherError):
    """Another publisher came first, or another package has the id; nothing was released."""


class Missing(PublisherError):
    """What was named is not there."""


class Corrupt(PublisherError):
    """What the store holds is not what was published."""


class StoreUnavailable(PublisherError):
    """The object store did not answer, or refused."""
