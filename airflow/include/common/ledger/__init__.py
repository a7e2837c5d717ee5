"""The ledger: the SQL tables that say which batches exist and who has taken them."""
