"""The faults there are, with what each may be told."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tollhouse.sandbox.errors import invalid, parameter_missing, parameter_unknown
from tollhouse.sandbox.values import Obj, is_list

STATUS_LEAST: Final = 400
STATUS_MOST: Final = 599
SECONDS_MAX: Final = 7 * 24 * 3600
COPIES_MAX: Final = 10
COUNT_MAX: Final = 1_000_000

Fields = dict[str, Any]  # by name, what a field is when it is not given

EVENT: Final[Fields] = {"types": ["*"]}
DELIVERY: Final[Fields] = EVENT | {"endpoint": None}
CALL: Final[Fields] = {"method": "*", "path": "*", "when": "before"}
EVERY: Final[Fields] = {"times": None, "probability": 1}


@dataclass(frozen=True, slots=True)
class Kind:
    """What a fault does, and its fields."""

    does: str
    fields: Fields
    is_drawn: bool = True  # for each event or request; or else it is there as long as its rule

    @property
    def takes(self) -> Fields:
        """All its fields."""
        return self.fields | EVERY if self.is_drawn else self.fields


KINDS: Final = {
    "withhold": Kind("The event never comes into being, although its fact does.", EVENT),
    "twin": Kind("A second event with another id tells the same fact.", EVENT),
    "duplicate": Kind("The same event is delivered again, `copies` times more.", DELIVERY | {"copies": 1}),
    "reorder": Kind(
        "The next event to the same endpoint overtakes it; if none comes it is sent `seconds` later, by the sandbox's"
        " clock.",
        DELIVERY | {"seconds": 60},
    ),
    "delay": Kind("It is sent `seconds` later, by the sandbox's clock.", DELIVERY | {"seconds": 60}),
    "drop": Kind("It is never sent.", DELIVERY),
    "slow": Kind("One attempt's body stops for `seconds` in its middle.", DELIVERY | {"seconds": 2}),
    "wrong_signature": Kind("One attempt is signed with a secret that is not the endpoint's.", DELIVERY),
    "error": Kind(
        "A request is answered with `status`; one `before` its effect is forgotten by its idempotency key unless"
        " `is_kept`.",
        CALL | {"status": 500, "is_kept": False},
    ),
    "reset": Kind("A request's connection breaks.", CALL),
    "timeout": Kind("A request gets no answer for `seconds`, then its connection breaks.", CALL | {"seconds": 60}),
    "late": Kind("A request is answered `seconds` late.", CALL | {"seconds": 2}),
    "rate_limit": Kind("Requests beyond `per_second` in one second are answered with 429.", CALL | {"per_second": 25}),
    "search_lag": Kind(
        "Searches do not find an object until it is `seconds` old, by the sandbox's clock.",
        {"seconds": 60},
        is_drawn=False,
    ),
}


def read_rule(given: Obj) -> Obj:
    """Return a rule with all its fields. Raises `StripeError` 400 that names the field."""
    name = given.get("fault")
    if name is None:
        raise parameter_missing("fault")
    if not isinstance(name, str) or name not in KINDS:
        raise invalid(f"There is no fault `{name}`: choose {', '.join(KINDS)}.", "fault")
    fields = KINDS[name].takes
    unknown = given.keys() - fields.keys() - {"fault"}
    if unknown:
        raise parameter_unknown(*sorted(unknown))
    return {"fault": name} | {field: _check(field, given.get(field, usual)) for field, usual in fields.items()}


def _check(field: str, value: Any) -> Any:
    if not CHECKS[field](value):
        raise invalid(f"Invalid {field}: {value!r}", field)
    return value


def _is_count(value: Any, most: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= most


def _is_number(value: Any, most: int) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= most


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _are_texts(value: Any) -> bool:
    return is_list(value) and bool(value) and all(map(_is_text, value))


CHECKS: Final[Mapping[str, Callable[[Any], bool]]] = {
    "types": _are_texts,
    "endpoint": lambda value: value is None or _is_text(value),
    "method": _is_text,
    "path": _is_text,
    "when": lambda value: value in ("before", "after"),
    "times": lambda value: value is None or _is_count(value, COUNT_MAX),
    "probability": lambda value: _is_number(value, 1),
    "copies": lambda value: _is_count(value, COPIES_MAX),
    "seconds": lambda value: _is_number(value, SECONDS_MAX),
    "status": lambda value: _is_count(value, STATUS_MOST) and value >= STATUS_LEAST,
    "is_kept": lambda value: isinstance(value, bool),
    "per_second": lambda value: _is_count(value, COUNT_MAX),
}
