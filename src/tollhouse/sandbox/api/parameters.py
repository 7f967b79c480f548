"""Parameters held against the description: strings become what they mean, or the error Stripe would send."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tollhouse.sandbox.description import Schema
from tollhouse.sandbox.errors import StripeError, invalid, parameter_missing, parameter_unknown
from tollhouse.sandbox.formats import INTEGER
from tollhouse.sandbox.values import is_list, is_object

NUMBER: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?\Z")
PLAIN_DECIMAL: Final = re.compile(r"-?[0-9]{0,18}\.?[0-9]{0,18}\Z")  # no exponent, no NaN
# Types for what no description has.
TEXT: Final[Schema] = {"type": "string"}
TEXTS: Final[Schema] = {"type": "array", "items": TEXT}
WHOLE: Final[Schema] = {"type": "integer"}
OBJECT: Final[Schema] = {"type": "object"}  # of texts
OBJECTS: Final[Schema] = {"type": "array", "items": OBJECT}
EXPAND: Final[dict[str, Schema]] = {"expand": TEXTS}
BOOLEANS: Final = {"true": True, "false": False}
# Moments in seconds since 1970, wherever they are given; the calendar goes on behind the last for what they begin.
TIMES: Final = frozenset({
    "accepted_at", "automatically_finalizes_at", "backdate_start_date", "billing_cycle_anchor", "cancel_at",
    "current_period_end", "current_period_start", "due_date", "effective_at", "end", "end_date", "expires_at",
    "frozen_time", "proration_date", "redeem_by", "resumes_at", "start", "start_date", "timestamp", "trial_end",
})  # fmt: skip
TIME_LAST: Final = 32_503_680_000  # 1 January 3000
DAYS_MOST: Final = 36_500
LENGTH_MAX: Final = 5_000  # of any text, but metadata, whose limits are its own


@dataclass(frozen=True, slots=True)
class Earlier:
    """What earlier API versions took for a parameter; where it came, the one that `replaces` names is not missed."""

    schema: Schema = field(default_factory=lambda: TEXT)
    replaces: str = ""


def check(schema: Schema, given: dict[str, Any], *, tolerated: Mapping[str, Earlier] | None = None) -> dict[str, Any]:
    """Return the values in their types.

    `tolerated` are parameters of earlier API versions: unknown today, or of another type. Raises `StripeError` 400 with
    the code and the parameter's bracketed name.
    """
    earlier = tolerated or {}
    properties = schema.get("properties", {})
    unknown = [name for name in given if name not in properties and name not in earlier]
    if unknown:
        raise parameter_unknown(*unknown)
    waived = {earlier[name].replaces for name in given if name in earlier}
    for name in schema.get("required", ()):
        if name not in given and name not in waived:
            raise parameter_missing(name)
    return {name: _top(properties.get(name), earlier.get(name), each, name) for name, each in given.items()}


def check_known(schemas: Mapping[str, Schema], given: dict[str, Any]) -> dict[str, Any]:
    """Return the values, those with a schema in their types and `expand` among them, the others as they came."""
    known = EXPAND | dict(schemas)
    return {name: _value(known[name], each, name) if name in known else each for name, each in given.items()}


def _top(schema: Schema | None, earlier: Earlier | None, given: Any, name: str) -> Any:
    """Return a parameter's value, in the type it has or else the one it had."""
    if schema is None:
        return _value(earlier.schema if earlier else TEXT, given, name)
    try:
        return _value(schema, given, name)
    except StripeError:
        if earlier is None:
            raise
        return _value(earlier.schema, given, name)


def _value(schema: Schema, given: Any, name: str) -> Any:
    alternatives = schema.get("anyOf")
    if alternatives is not None:
        return _any(alternatives, given, name)
    kind = schema.get("type")
    if kind == "object":
        return _object(schema, given, name)
    if kind == "array":
        return _array(schema, given, name)
    return _scalar(schema, given, name)


def _any(alternatives: list[Schema], given: Any, name: str) -> Any:
    """Take the first alternative that fits; the error told is of one that fits the value's shape."""
    errors: list[tuple[bool, StripeError]] = []
    for schema in alternatives:
        try:
            return _value(schema, given, name)
        except StripeError as error:
            errors.append((_has_shape(schema, given), error))
    raise next((error for fits, error in errors if fits), errors[-1][1])


def _has_shape(schema: Schema, given: Any) -> bool:
    shapes = {"object": dict, "array": list}
    return isinstance(given, shapes.get(schema.get("type", ""), str))


def _object(schema: Schema, given: Any, name: str) -> Any:
    given = {} if given == [] else given  # `{}` and `[]` look alike in a form
    if is_list(given):  # metadata whose keys are all digits
        given = {str(place): each for place, each in enumerate(given)}
    if given == "" and "additionalProperties" in schema and not schema.get("properties"):
        return given  # the way to empty metadata
    if not is_object(given):
        raise invalid("Invalid object", name)
    further = schema.get("additionalProperties")
    if is_object(further):
        return {key: _value(further, each, f"{name}[{key}]") for key, each in given.items()}
    properties = schema.get("properties", {})
    unknown = [f"{name}[{key}]" for key in given if key not in properties]
    if unknown and further is False:
        raise parameter_unknown(*unknown)
    for key in schema.get("required", ()):
        if key not in given:
            raise parameter_missing(f"{name}[{key}]")
    return {key: _value(properties.get(key, {}), each, f"{name}[{key}]") for key, each in given.items()}


def _array(schema: Schema, given: Any, name: str) -> Any:
    if is_object(given) or (isinstance(given, str) and given):
        raise invalid("Invalid array", name)
    return [_value(schema["items"], each, f"{name}[{place}]") for place, each in enumerate(given or ())]


def _scalar(schema: Schema, given: Any, name: str) -> Any:
    kind = schema.get("type")
    if not isinstance(given, str):
        raise invalid(f"Invalid {kind or 'string'}: {given}", name)
    if kind == "integer":
        if not INTEGER.match(given):
            raise invalid(f"Invalid integer: {given}", name, "parameter_invalid_integer")
        return _integer(int(given), name)
    if kind == "number":
        if not NUMBER.match(given):
            raise invalid(f"Invalid decimal: {given}", name)
        return float(given)
    if kind == "boolean":
        if given not in BOOLEANS:
            raise invalid(f"Invalid boolean: {given}", name)
        return BOOLEANS[given]
    return _text(schema, given, name)


def _text(schema: Schema, given: str, name: str) -> str:
    if len(given) > LENGTH_MAX or "\0" in given:
        raise invalid(
            f"Invalid string: must be at most {LENGTH_MAX} characters", name, "parameter_invalid_string_length"
        )
    if _last(name).endswith("_decimal") and not PLAIN_DECIMAL.match(given):
        raise invalid(f"Invalid decimal: {given}", name, "parameter_invalid_decimal")
    if "enum" in schema and given not in schema["enum"]:
        raise invalid(f"Invalid {name}: must be one of {_join(schema['enum'])}", name)
    return given


def _last(name: str) -> str:
    """Return the innermost part of a bracketed name."""
    return name.rstrip("]").rpartition("[")[2]


def _integer(given: int, name: str) -> int:
    last = _last(name)
    if last in TIMES and not 0 <= given <= TIME_LAST:
        raise invalid(f"Invalid timestamp: {given} is no moment between 1970 and 3000.", name)
    if last == "days_until_due" and not 0 <= given <= DAYS_MOST:
        raise invalid(f"Invalid days_until_due: must be between 0 and {DAYS_MOST}.", name)
    return given


def _join(values: list[str]) -> str:
    named = [each for each in values if each]
    if len(named) < 3:
        return " or ".join(named)
    return ", ".join(named[:-1]) + f", or {named[-1]}"
