"""The Watershed platform: knows hops, zones and contracts, and no domain."""
