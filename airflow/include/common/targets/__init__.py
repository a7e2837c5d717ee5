"""Services that rows of the lake are delivered to, record by record: what is read back, sent and refused."""
