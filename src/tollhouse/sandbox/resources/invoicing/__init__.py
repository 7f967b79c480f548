"""Invoices: drafted, finalized, paid or not."""
