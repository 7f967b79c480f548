"""Search queries, read: `email:"a@b.c" -metadata["plan"]:"free"`, `total>1000 OR status:"open"`.

Source: docs.stripe.com/search#search-query-language. Clauses are joined by AND (which a space stands for as well) or by
OR, never by both; there are no brackets.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from tollhouse.sandbox.errors import StripeError, invalid
from tollhouse.sandbox.formats import INTEGER

CLAUSES_MAX: Final = 10
PART_MIN: Final = 3
CLAUSE: Final = re.compile(
    r"""(?P<minus>-?)
    (?: metadata\[ (?P<quote>["']) (?P<key>(?:\\.|(?!(?P=quote)).)+) (?P=quote) \] | (?P<field>[a-z_][a-z0-9_.]*) )
    \s* (?P<operator>>=|<=|[:~<>=]) \s*
    (?: "(?P<double>(?:\\.|[^"\\])*)" | '(?P<single>(?:\\.|[^'\\])*)' | (?P<bare>-?[0-9]+|null|true|false) )
    """,
    re.VERBOSE | re.DOTALL,
)
JOINT: Final = re.compile(r"\s+(?:(AND|OR)\s+)?", re.IGNORECASE)
ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
ORDERS: Final[dict[str, Callable[[int, int], bool]]] = {
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
}


@dataclass(frozen=True, slots=True)
class Clause:
    """A field compared with a value; None stands for `null`, a field that is not there."""

    field: str  # `metadata.` and the key, for metadata
    operator: str
    value: str | None
    is_negated: bool = False

    @property
    def number(self) -> int | None:
        """The value as a whole number, if it is one."""
        return int(self.value) if self.value is not None and INTEGER.match(self.value) else None

    def match(self, found: Any) -> bool:
        """Say whether what an object has at the field fits."""
        return self._compare(found) != self.is_negated

    def _compare(self, found: Any) -> bool:
        if self.value is None or found is None:
            return self.value is None and found is None
        if self.operator in ORDERS:
            return isinstance(found, int) and self.number is not None and ORDERS[self.operator](found, self.number)
        shown = str(found).casefold()
        wanted = self.value.casefold()
        return wanted in shown if self.operator == "~" else wanted == shown


@dataclass(frozen=True, slots=True)
class Query:
    """Clauses, of which all must fit, or any."""

    clauses: tuple[Clause, ...]
    takes_any: bool = False

    def match(self, find: Callable[[str], Any]) -> bool:
        """Say whether an object fits, whose field of a name `find` returns."""
        fits = (clause.match(find(clause.field)) for clause in self.clauses)
        return any(fits) if self.takes_any else all(fits)


def parse(text: str) -> Query:
    """Return the query. Raises `StripeError` 400 for what cannot be read."""
    text = text.strip()
    clauses: list[Clause] = []
    joints: set[str] = set()
    place = 0
    while True:
        matched = CLAUSE.match(text, place)
        if matched is None:
            raise _unreadable()
        clauses.append(_read_clause(matched))
        place = matched.end()
        if place == len(text):
            break
        joint = JOINT.match(text, place)
        if joint is None:
            raise _unreadable()
        joints.add((joint[1] or "AND").upper())
        place = joint.end()
    if len(joints) > 1:
        raise invalid("A search query joins its clauses by AND or by OR, not by both.", "query")
    if len(clauses) > CLAUSES_MAX:
        raise invalid(f"A search query has at most {CLAUSES_MAX} clauses.", "query")
    return Query(tuple(clauses), takes_any="OR" in joints)


def _read_clause(matched: re.Match[str]) -> Clause:
    quoted = matched["double"] if matched["double"] is not None else matched["single"]
    value = ESCAPED.sub(r"\1", quoted) if quoted is not None else matched["bare"]
    is_null = quoted is None and value == "null"
    operator = matched["operator"].replace("=", ":") if matched["operator"] == "=" else matched["operator"]
    if operator == "~" and (is_null or len(value) < PART_MIN):
        raise invalid(f"Substring matching with `~` needs at least {PART_MIN} characters.", "query")
    field = matched["field"] or "metadata." + ESCAPED.sub(r"\1", matched["key"])
    return Clause(field, operator, None if is_null else value, is_negated=bool(matched["minus"]))


def _unreadable() -> StripeError:
    return invalid(
        'We were unable to parse your search query. Try using the format `metadata["key"]:"value"` to query for'
        ' metadata or key:"value" to query for other fields.',
        "query",
    )
