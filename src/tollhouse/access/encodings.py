"""Base64url and JSON in exactly one reading: what two parsers could read differently is refused."""

from __future__ import annotations

import binascii
import json
import math
from typing import Any, Final, cast

DEPTH_MAX: Final = 16
_STANDARD: Final = bytes.maketrans(b"-_+/=", b"+/!!!")  # the standard alphabet's own characters are foreign here
# The last character of a text that does not fill its last byte: those whose spare bits are zero (RFC 4648, 3.5).
_LAST: Final = {0: None, 2: frozenset(b"AQgw"), 3: frozenset(b"AEIMQUYcgkosw048")}


class EncodingInvalid(ValueError):
    """The bytes are not what they should encode."""


def decode_base64url(text: bytes) -> bytes:
    """Return what unpadded base64url encodes (RFC 7515, 2).

    Raises `EncodingInvalid` for a stray character, padding, or spare bits that are not zero: a second spelling of the
    same token would be a second token to whatever remembers or revokes by its text.
    """
    rest = len(text) % 4
    if rest == 1 or (rest and text[-1] not in (_LAST[rest] or ())):
        raise EncodingInvalid("not canonical base64url")
    try:
        return binascii.a2b_base64(text.translate(_STANDARD) + b"=" * (-rest % 4), strict_mode=True)
    except binascii.Error:
        raise EncodingInvalid("not base64url") from None


def parse_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object in UTF-8 bytes.

    Raises `EncodingInvalid` for anything else, and for a name given twice (of which parsers take the first or the
    last), NaN and infinities, half a surrogate pair, and nesting deeper than 16.
    """
    try:
        value = _DECODER.decode(data.decode("utf-8"))
        if b"\\u" in data:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a character could be stored nowhere
    except (ValueError, RecursionError) as error:
        raise EncodingInvalid(f"not JSON: {type(error).__name__}") from None
    if not isinstance(value, dict):
        raise EncodingInvalid("no JSON object")
    if data.count(b"[") + data.count(b"{") > DEPTH_MAX and _depth_of(value) > DEPTH_MAX:
        raise EncodingInvalid("nested too deep")
    return cast("dict[str, Any]", value)


def _object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise EncodingInvalid("a name is given twice")
    return found


def _refuse_constant(_: str) -> float:
    raise EncodingInvalid("not a number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):  # 1e999 is an infinity in other clothes
        raise EncodingInvalid("too large a number")
    return number


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_object_of, parse_constant=_refuse_constant, parse_float=_finite)


def _depth_of(value: Any) -> int:
    depth = 0
    level: list[Any] = [value]
    while level:
        depth += 1
        level = [inner for each in level for inner in _members_of(each) if isinstance(inner, dict | list)]
    return depth


def _members_of(value: Any) -> list[Any]:
    return list(cast("dict[str, Any]", value).values()) if isinstance(value, dict) else value
