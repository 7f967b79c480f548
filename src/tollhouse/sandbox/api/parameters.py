"""Parameters held against the description: strings become what they mean, or the error Stripe would send."""

from __future__ import annotations

import re
from typing import Any, Final

from tollhouse.sandbox.description import Schema
from tollhouse.sandbox.errors import StripeError, invalid, parameter_missing, parameter_unknown
from tollhouse.sandbox.values import is_list, is_object

INTEGER: Final = re.compile(r"-?[0-9]{1,18}\Z")
NUMBER: Final = re.compile(r"-?[0-9]{1,18}(\.[0-9]{1,12})?\Z")
BOOLEANS: Final = {"true": True, "false": False}
LENGTH_MAX: Final = 5_000  # of any text, but metadata, whose limits are its own


def check(schema: Schema, given: dict[str, Any], *, tolerated: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return the values in their types.

    `tolerated` names parameters of earlier API versions: they are passed on as they came, and where one came nothing is
    missed that it may stand for. Raises `StripeError` 400 with the code and the parameter's bracketed name.
    """
    properties = schema.get("properties", {})
    unknown = [name for name in given if name not in properties and name not in tolerated]
    if unknown:
        raise parameter_unknown(*unknown)
    for name in schema.get("required", ()):
        if name not in given and tolerated.isdisjoint(given):
            raise parameter_missing(name)
    return {
        name: _top(properties[name], each, name, is_tolerated=name in tolerated) if name in properties else each
        for name, each in given.items()
    }


def _top(schema: Schema, given: Any, name: str, *, is_tolerated: bool) -> Any:
    """Return a parameter's value; one that had another type in an earlier version is passed on as it came."""
    try:
        return _value(schema, given, name)
    except StripeError:
        if not is_tolerated:
            raise
        return given


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
        return int(given)
    if kind == "number":
        if not NUMBER.match(given):
            raise invalid(f"Invalid decimal: {given}", name)
        return float(given)
    if kind == "boolean":
        if given not in BOOLEANS:
            raise invalid(f"Invalid boolean: {given}", name)
        return BOOLEANS[given]
    if len(given) > LENGTH_MAX or "\0" in given:
        raise invalid(
            f"Invalid string: must be at most {LENGTH_MAX} characters", name, "parameter_invalid_string_length"
        )
    if "enum" in schema and given not in schema["enum"]:
        raise invalid(f"Invalid {name}: must be one of {_join(schema['enum'])}", name)
    return given


def _join(values: list[str]) -> str:
    named = [each for each in values if each]
    if len(named) < 3:
        return " or ".join(named)
    return ", ".join(named[:-1]) + f", or {named[-1]}"
