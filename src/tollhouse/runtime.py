"""What domain functions act with, made once when the application starts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tollhouse.clock import Clock
    from tollhouse.db import Database, Transaction
    from tollhouse.events import Outbox
    from tollhouse.limits import Flood
    from tollhouse.settings import Settings
    from tollhouse.signing.keyring import Keyring


Happened = tuple[str, "Mapping[str, Any]"]  # the type of an event, and its data


@dataclass(frozen=True, slots=True)
class Hooks:
    """What higher floors want done at moments of a lower one.

    `user_created(tx, run, user_id)` runs in the transaction that makes a user, and returns what happened;
    `before_erase(user_id)` runs outside any, before a user is erased: what it raises keeps the user.
    """

    user_created: list[Callable[[Transaction, Runtime, str], Awaitable[Sequence[Happened]]]] = field(
        default_factory=list[Any]
    )
    before_erase: list[Callable[[str], Awaitable[None]]] = field(default_factory=list[Any])


@dataclass(frozen=True, slots=True)
class Runtime:
    """The open database with what belongs to it."""

    settings: Settings
    clock: Clock
    db: Database
    keys: Keyring
    outbox: Outbox
    flood: Flood
    hooks: Hooks = field(default_factory=Hooks)

    @property
    def now_us(self) -> int:
        """The time, in microseconds UTC."""
        return self.clock.now_us()
