"""What is done for all consumers at once, beside their hops: apply, verify, rebuild, compact, retain."""
