"""What people ask for: refused records sent again, batches and partitions done again, origins of rows."""
