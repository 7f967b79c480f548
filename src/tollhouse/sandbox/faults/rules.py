"""The rules that are set, and the choices they make."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from tollhouse.sandbox.errors import missing
from tollhouse.sandbox.faults.kinds import read_rule
from tollhouse.sandbox.faults.requests import RequestFault
from tollhouse.sandbox.state.world import HIDDEN, World
from tollhouse.sandbox.values import Obj

KIND: Final = "fault"
ON_DELIVERIES: Final = ("duplicate", "reorder", "delay", "drop")
ON_REQUESTS: Final = ("rate_limit", "error", "reset", "timeout", "late")


@dataclass(frozen=True, slots=True)
class DeliveryFault:
    """What becomes of an event's delivery before it is first tried."""

    copies: int = 1
    delay_seconds: int = 0
    held_seconds: int | None = None
    is_dropped: bool = False


@dataclass(frozen=True, slots=True)
class AttemptFault:
    """What becomes of one attempt to deliver."""

    slow_seconds: float = 0
    is_wrongly_signed: bool = False


class FaultRules:
    """Rules are objects of the kind `fault`: they live and end with the rest of the world.

    Which of the events or requests that fit a rule it strikes is drawn from the world's seed and their number.
    """

    def __init__(self, world: World) -> None:
        """Keep them in this world."""
        self._world = world
        self._seconds: dict[str, tuple[int, int]] = {}  # by rule, a second of the machine's and its requests

    def add(self, given: Obj) -> Obj:
        """Set a rule and return it. Raises `StripeError` 400 that names the field that is wrong."""
        rule = {"id": "fault_" + self._world.ids.text(14), "object": KIND, "created": self._world.clock.now()}
        rule |= read_rule(given) | {"hits": 0, HIDDEN: {"seen": 0}}
        return self._world.save(rule)

    def every(self) -> list[Obj]:
        """Return the rules in the order they were set, the spent ones among them."""
        return self._world.every(KIND)[::-1]

    def remove(self, id: str) -> Obj:
        """Lift a rule and return what it was. Raises `StripeError` 404."""
        rule = self._world.find(KIND, id)
        if rule is None:
            raise missing(KIND, id)
        self._world.store.remove(id, KIND)
        return rule

    def clear(self) -> None:
        """Lift all rules."""
        for rule in self.every():
            self._world.store.remove(rule["id"], KIND)

    def search_lag_seconds(self) -> float:
        """Return how old objects must be for searches to find them."""
        return max((rule["seconds"] for rule in self.every() if rule["fault"] == "search_lag"), default=0)

    # Choices: inside a transaction, but for `for_request`, which makes its own.

    def withholds(self, type: str) -> bool:
        """Say whether an event of a type is never to be."""
        return self._strike("withhold", _fits_type(type)) is not None

    def twins(self, type: str) -> int:
        """Return how many events more tell the same."""
        return int(self._strike("twin", _fits_type(type)) is not None)

    def for_delivery(self, type: str, endpoint_id: str) -> DeliveryFault:
        """Return what becomes of a delivery."""
        if not self.every():
            return DeliveryFault()
        struck = {each: self._strike(each, _fits_delivery(type, endpoint_id)) for each in ON_DELIVERIES}
        duplicate, held, delay, drop = struck.values()
        return DeliveryFault(
            copies=1 if duplicate is None else 1 + duplicate["copies"],
            delay_seconds=0 if delay is None else round(delay["seconds"]),
            held_seconds=None if held is None else round(held["seconds"]),
            is_dropped=drop is not None,
        )

    def for_attempt(self, type: str, endpoint_id: str) -> AttemptFault:
        """Return what becomes of an attempt."""
        fits = _fits_delivery(type, endpoint_id)
        slow, wrong = self._strike("slow", fits), self._strike("wrong_signature", fits)
        return AttemptFault(slow_seconds=0 if slow is None else slow["seconds"], is_wrongly_signed=wrong is not None)

    def for_request(self, method: str, path: str) -> RequestFault | None:
        """Return what goes wrong with a request, or None."""

        def fits(rule: Obj) -> bool:
            is_meant = fnmatchcase(method, rule["method"].upper()) and fnmatchcase(path, rule["path"])
            return is_meant and (rule["fault"] != "rate_limit" or self._is_over(rule))

        if not self.every():
            return None
        with self._world.store.transaction():
            struck = (self._strike(each, fits) for each in ON_REQUESTS)
            return next((RequestFault(rule) for rule in struck if rule is not None), None)

    def _strike(self, fault: str, fits: Callable[[Obj], bool]) -> Obj | None:
        """Return the first rule of a kind that fits and strikes, counted."""
        for rule in self.every():
            if rule["fault"] == fault and rule["times"] != rule["hits"] and fits(rule) and self._draw(rule):
                return rule
        return None

    def _draw(self, rule: Obj) -> bool:
        """Say whether this one is struck, and count it."""
        rule[HIDDEN]["seen"] += 1
        digest = hashlib.sha256(f"{rule['id']}:{rule[HIDDEN]['seen']}".encode()).digest()
        is_struck = int.from_bytes(digest[:6]) < rule["probability"] * 2**48
        rule["hits"] += is_struck
        self._world.save(rule)
        return is_struck

    def _is_over(self, rule: Obj) -> bool:
        """Count a request in its second, by the machine's clock; say whether it is one too many."""
        second = int(time.monotonic())
        last, count = self._seconds.get(rule["id"], (second, 0))
        count = count + 1 if last == second else 1
        self._seconds[rule["id"]] = (second, count)
        return count > int(rule["per_second"])


def _fits_type(type: str) -> Callable[[Obj], bool]:
    return lambda rule: any(fnmatchcase(type, each) for each in rule["types"])


def _fits_delivery(type: str, endpoint_id: str) -> Callable[[Obj], bool]:
    fits_type = _fits_type(type)
    return lambda rule: rule["endpoint"] in {None, endpoint_id} and fits_type(rule)
