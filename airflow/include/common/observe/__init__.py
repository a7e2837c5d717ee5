"""What can be seen of the platform at work: JSON logs with context."""
