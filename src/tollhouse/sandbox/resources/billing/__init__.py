"""Subscriptions, and what time makes of them."""
