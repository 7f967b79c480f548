"""What comes with a new user, however they came."""

from __future__ import annotations

from tollhouse.db import Transaction
from tollhouse.runtime import Happened, Runtime


async def greet(tx: Transaction, run: Runtime, user_id: str) -> list[Happened]:
    """Run the hooks of a new user in the transaction that makes them, and return all that is to be emitted."""
    happened: list[Happened] = [("user.created", {"user_id": user_id})]
    for hook in run.hooks.user_created:
        happened += await hook(tx, run, user_id)
    return happened
