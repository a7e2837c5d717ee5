"""Load strategies: from a plan and the engine's abilities to statements."""
