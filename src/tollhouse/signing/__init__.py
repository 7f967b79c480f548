"""Keys, sealing, digests and tokens."""
