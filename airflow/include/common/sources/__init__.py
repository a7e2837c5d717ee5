"""Sources that are no files of raw: what each holds now, and what of it is fetched into one file."""
