"""Everything that one machine needs to run Watershed: supervisor, databases, object store and stand-ins."""
