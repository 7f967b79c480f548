"""Payments: ways to pay, intents, charges, refunds, disputes, and what they do to the balance."""
