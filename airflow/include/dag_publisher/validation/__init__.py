"""Whether DAG files may be published: they are really imported, shut in, and judged by rules that have names."""
