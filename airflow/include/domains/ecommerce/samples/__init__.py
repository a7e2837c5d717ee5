"""Sample data of the shop: real purchases, generated customers and events, and files spoiled on purpose."""
