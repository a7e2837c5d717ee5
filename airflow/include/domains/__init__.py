"""The business domains: one folder each, with contracts, gold models and samples."""
