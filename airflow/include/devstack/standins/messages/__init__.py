"""Stand-ins of the services that carry messages to people: one process, and a page each that shows what arrived."""
