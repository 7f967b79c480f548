"""Calls to other servers, to addresses that were checked."""
