"""Gold models: a SELECT with a header, run over the lake."""
