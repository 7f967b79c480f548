"""Checkout sessions, from their making to what paying them sets going."""
