"""The notes that callers keep on objects. Source: docs.stripe.com/api/metadata."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from tollhouse.sandbox.errors import invalid

METADATA_KEYS_MAX: Final = 50
METADATA_KEY_MAX: Final = 40
METADATA_VALUE_MAX: Final = 500


def merge_metadata(old: Mapping[str, str] | None, given: Any, param: str = "metadata") -> dict[str, str]:
    """Return the old metadata with the given keys set; an empty value deletes its key, an empty string all of them."""
    if given == "":
        return {}
    merged: dict[str, str] = {**(old or {}), **(given or {})}
    merged = {name: value for name, value in merged.items() if value != ""}
    for name, value in merged.items():
        if len(name) > METADATA_KEY_MAX or "[" in name or "]" in name:
            raise invalid(f"Metadata keys have at most {METADATA_KEY_MAX} characters and no brackets: {name}", param)
        if len(value) > METADATA_VALUE_MAX:
            raise invalid(
                f"Metadata values can have up to {METADATA_VALUE_MAX} characters. You passed in a value that is"
                f" {len(value)} characters.",
                f"{param}[{name}]",
            )
    if len(merged) > METADATA_KEYS_MAX:
        raise invalid(f"Metadata can have at most {METADATA_KEYS_MAX} keys.", param)
    return merged
