"""Notifications: a message is data, channels render it, and a dead one silences nobody."""
