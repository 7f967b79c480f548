"""How a delivery went: done, or why not, with what the other side answered."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tollhouse.errors import TollhouseError

HOST: Final = "host: "  # begins the reason when the other server as a whole, not this delivery, is at fault
REASON_LENGTH_MAX: Final = 500


@dataclass(frozen=True, slots=True)
class Answer:
    """What was answered: HTTP's status, the body's beginning, and whether it says that the event was applied."""

    status: int
    text: str
    applied: bool = False


class Unsuccessful(TollhouseError):
    """This delivery did not succeed."""

    code = "delivery_unsuccessful"

    def __init__(self, detail: str | None = None, *, answer: Answer | None = None, pause_seconds: float = 0) -> None:
        """Keep what was answered, and how long a pause was asked for."""
        self.answer = answer
        self.pause_seconds = pause_seconds
        super().__init__(detail)


class GiveUp(Unsuccessful):
    """This delivery can never succeed."""

    code = "delivery_given_up"


class Retry(Unsuccessful):
    """This delivery did not succeed this time."""

    code = "delivery_failed"

    @property
    def is_of_host(self) -> bool:
        """Whether the other server as a whole is at fault."""
        return self.detail.startswith(HOST)


class Skip(Unsuccessful):
    """By a rule of ours, nobody is to get this delivery."""

    code = "delivery_skipped"


class Expired(Unsuccessful):
    """The time of this delivery has passed."""

    code = "delivery_expired"


@dataclass(frozen=True, slots=True)
class Ran:
    """One run of a delivery; times in microseconds."""

    outcome: TollhouseError | None  # None: it succeeded
    answer: Answer | None
    started_at: int
    duration_us: int

    @property
    def asked_pause_seconds(self) -> float:
        """How long a pause the other side asked for."""
        return self.outcome.pause_seconds if isinstance(self.outcome, Unsuccessful) else 0


def storable(text: str, length_max: int = REASON_LENGTH_MAX) -> str:
    """Return a text that every database takes, whatever a server or a handler put in it."""
    return text[:length_max].replace("\0", "").encode(errors="replace").decode()
