"""The lake: silver and gold tables in Delta Lake, where every hop is one commit."""
