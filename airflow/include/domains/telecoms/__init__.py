"""The telecoms domain: customers, agents, and complaints by telephone, in social media and on the web."""
