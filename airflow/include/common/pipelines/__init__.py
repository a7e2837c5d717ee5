"""The hops of the platform, as plain functions, and the grammar they all follow."""
