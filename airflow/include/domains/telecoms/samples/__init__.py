"""Generated days of the call centre: extracts of its systems, with what goes wrong on the way."""
