"""Reading one JSON object of Stripe's: a field is what it must be, or `Unreadable` names it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from tollhouse.billing.errors import Unreadable
from tollhouse.clock import SECOND

ID_LENGTH_MAX: Final = 255
TEXT_LENGTH_MAX: Final = 5_000  # of URLs; everything else that is read is far shorter
NUMBER_MAX: Final = 2**53 - 1  # what JSON carries exactly everywhere, and a BIGINT holds
TIME_SECONDS_MAX: Final = 2**33  # the year 2242: a number beyond is not in seconds
LIST_LENGTH_MAX: Final = 1_000

PURCHASE_KEY: Final = "tollhouse_purchase"  # in the metadata of what we have made at Stripe
USER_KEY: Final = "tollhouse_user"
PRICE_KEY: Final = "tollhouse_price"


@dataclass(frozen=True, slots=True)
class Raw:
    """A JSON object, and the kind of thing that it is called when it cannot be read."""

    kind: str
    value: Mapping[str, Any]

    @classmethod
    def of(cls, kind: str, value: object) -> Raw:
        """Take a value that must be an object."""
        if not isinstance(value, Mapping):
            raise Unreadable(f"{kind} is not an object.", field=kind)
        return cls(kind, cast("Mapping[str, Any]", value))

    def broken(self, name: str) -> Unreadable:
        """Return the error to raise over a field; its value is not told, for it may be anything."""
        return Unreadable(f"{self.kind}.{name} is missing, or is not what we know it as.", field=f"{self.kind}.{name}")

    def text_or_none(self, name: str) -> str | None:
        """Return a string, or None where there is none."""
        value = self.value.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or len(value) > TEXT_LENGTH_MAX or not is_storable(value):
            raise self.broken(name)
        return value

    def text(self, name: str) -> str:
        """Return a string that must be there."""
        return self._must(name, self.text_or_none(name) or None)

    def id_or_none(self, name: str) -> str | None:
        """Return an id, given as it is or as the object that it names."""
        value = self.value.get(name)
        if isinstance(value, Mapping):
            return Raw(f"{self.kind}.{name}", cast("Mapping[str, Any]", value)).id("id")
        found = self.text_or_none(name) or None
        if found is not None and len(found) > ID_LENGTH_MAX:
            raise self.broken(name)
        return found

    def id(self, name: str) -> str:
        """Return an id that must be there."""
        return self._must(name, self.id_or_none(name))

    def number_or_none(self, name: str) -> int | None:
        """Return an integer, or None where there is none."""
        value = self.value.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or abs(value) > NUMBER_MAX:
            raise self.broken(name)
        return value

    def number(self, name: str) -> int:
        """Return an integer that must be there."""
        return self._must(name, self.number_or_none(name))

    def amount(self, name: str) -> int:
        """Return an integer that must be there and is not negative."""
        value = self.number(name)
        if value < 0:
            raise self.broken(name)
        return value

    def time_or_none(self, name: str) -> int | None:
        """Return a time in microseconds, or None where there is none."""
        seconds = self.number_or_none(name)
        return None if seconds is None else self.microseconds(name, seconds)

    def microseconds(self, name: str, seconds: int) -> int:
        """Return a time in microseconds that a field gives in seconds."""
        if not 0 <= seconds <= TIME_SECONDS_MAX:
            raise self.broken(name)
        return seconds * SECOND

    def time(self, name: str) -> int:
        """Return a time in microseconds that must be there."""
        return self._must(name, self.time_or_none(name))

    def flag_or_none(self, name: str) -> bool | None:
        """Return a boolean, or None where there is none."""
        value = self.value.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.broken(name)
        return value

    def flag(self, name: str) -> bool:
        """Return a boolean that must be there."""
        return self._must(name, self.flag_or_none(name))

    def object_or_none(self, name: str) -> Raw | None:
        """Return the object within, or None where there is none."""
        value = self.value.get(name)
        return None if value is None else Raw.of(f"{self.kind}.{name}", value)

    def object(self, name: str) -> Raw:
        """Return the object within, which must be there."""
        return self._must(name, self.object_or_none(name))

    def within(self, *names: str) -> Raw | None:
        """Return what is at the end of a path of objects, or None where the path breaks off."""
        found: Raw | None = self
        for name in names:
            found = found.object_or_none(name) if found is not None else None
        return found

    def objects(self, name: str) -> list[Raw]:
        """Return the objects of a plain list, which may be missing."""
        values = self.value.get(name)
        if values is None:
            return []
        if not isinstance(values, list):
            raise self.broken(name)
        items = cast("list[object]", values)
        if len(items) > LIST_LENGTH_MAX:
            raise self.broken(name)
        return [Raw.of(f"{self.kind}.{name}", item) for item in items]

    def metadata(self, key: str) -> str | None:
        """Return what we, or anybody, wrote beside the object under a key."""
        found = self.object_or_none("metadata")
        return None if found is None else found.id_or_none(key)

    def _must(self, name: str, value: Any) -> Any:
        if value is None:
            raise self.broken(name)
        return value


def is_storable(text: str) -> bool:
    """Whether every database takes this text: no NUL, no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
