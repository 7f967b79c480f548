"""What domain functions act with, made once when the application starts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tollhouse.clock import Clock
    from tollhouse.db import Database
    from tollhouse.events import Outbox
    from tollhouse.limits import Flood
    from tollhouse.settings import Settings
    from tollhouse.signing.keyring import Keyring


@dataclass(frozen=True, slots=True)
class Runtime:
    """The open database with what belongs to it."""

    settings: Settings
    clock: Clock
    db: Database
    keys: Keyring
    outbox: Outbox
    flood: Flood

    @property
    def now_us(self) -> int:
        """The time, in microseconds UTC."""
        return self.clock.now_us()
