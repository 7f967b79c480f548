"""The account itself, its events and its endpoints."""
