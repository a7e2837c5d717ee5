"""What everything else is made of: errors, settings, clock, ids and frozen nouns."""
