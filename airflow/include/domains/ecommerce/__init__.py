"""The e-commerce domain: a shop's purchases, customers and web events."""
