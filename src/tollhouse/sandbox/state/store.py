"""Objects as JSON in SQLite: in memory, or in a file to find again."""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

from tollhouse.sandbox.state.file import connect
from tollhouse.sandbox.state.links import ALL_LINKED, LINKED, LINKED_HIDDEN, links_of, select
from tollhouse.sandbox.values import Obj

LINKS_COUNTED_MAX: Final = 200  # of each link of a query, to tell which is the rarest
TABLES: Final = """
CREATE TABLE IF NOT EXISTS objects (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL, created INTEGER NOT NULL,
    body TEXT NOT NULL, UNIQUE (id, kind)
);
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, seq);
CREATE TABLE IF NOT EXISTS links (
    seq INTEGER NOT NULL, kind TEXT NOT NULL, field TEXT NOT NULL, value TEXT NOT NULL,
    PRIMARY KEY (kind, field, value, seq)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS links_by_object ON links (seq);
CREATE TABLE IF NOT EXISTS timers (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, due INTEGER NOT NULL, action TEXT NOT NULL, id TEXT NOT NULL,
    clock TEXT NOT NULL, UNIQUE (action, id)
);
CREATE INDEX IF NOT EXISTS timers_by_due ON timers (clock, due, seq);
CREATE TABLE IF NOT EXISTS replies (
    key TEXT PRIMARY KEY, request TEXT NOT NULL, fingerprint TEXT NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL,
    created INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


@dataclass(frozen=True, slots=True)
class Timer:
    """Something to do to an object at a time."""

    due: int
    action: str
    id: str


class Store:
    """Every change happens inside `transaction`, and whole or not at all."""

    def __init__(self, path: Path | None = None) -> None:
        """Open the file, made if need be; without one the store is in memory and ends with the process.

        Raises `UnusableFile`: a file is one sandbox's at a time.
        """
        self._db = connect(path)
        self._db.executescript(TABLES)
        self._link_again()

    def close(self) -> None:
        """Let the file go."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Keep what happens inside, or nothing of it when it raises."""
        self._db.execute("BEGIN")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    @contextmanager
    def savepoint(self) -> Generator[None]:
        """Keep what happens inside, or nothing of it when it raises: within a transaction, or as one of its own."""
        self._db.execute("SAVEPOINT inner")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO inner")
            self._db.execute("RELEASE inner")
            raise
        self._db.execute("RELEASE inner")

    def execute(self, sql: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run one statement of a module that keeps something of its own here."""
        return self._db.execute(sql, values).fetchall()

    def forget(self) -> None:
        """Empty the store; what remains are its notes."""
        for table in ("objects", "links", "timers", "replies"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 (our own names)

    # Objects.

    def put(self, kind: str, obj: Obj) -> None:
        """Insert or replace; an object keeps its place in lists."""
        body = json.dumps(obj, separators=(",", ":"))
        sql = (
            "INSERT INTO objects (kind, id, created, body) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (id, kind) DO UPDATE SET body = excluded.body RETURNING seq"
        )
        ((seq,),) = self._db.execute(sql, (kind, obj["id"], obj.get("created", 0), body)).fetchall()
        known = self._db.execute("SELECT field, value FROM links WHERE seq = ?", (seq,)).fetchall()
        if set(known) != set(links_of(obj)):
            if known:
                self._db.execute("DELETE FROM links WHERE seq = ?", (seq,))
            self._link(seq, kind, obj)

    def get(self, id: str, kind: str = "") -> Obj | None:
        """Return a copy of the object, or None; of several kinds that share an id, the one of this kind."""
        sql = "SELECT body FROM objects WHERE id = ? ORDER BY kind = ? DESC, seq LIMIT 1"
        rows = self._db.execute(sql, (id, kind)).fetchall()
        return json.loads(rows[0][0]) if rows else None

    def remove(self, id: str, kind: str = "") -> None:
        """Forget an object; without a kind, all of this id."""
        (these,) = self._db.execute(
            "SELECT json_group_array(seq) FROM objects WHERE id = ? AND ? IN (kind, '')", (id, kind)
        ).fetchall()
        self._db.execute("DELETE FROM links WHERE seq IN (SELECT value FROM json_each(?))", these)
        self._db.execute("DELETE FROM objects WHERE seq IN (SELECT value FROM json_each(?))", these)

    def every(
        self, kind: str, *, limit: int | None = None, before: str = "", after: str = "", **equal: Any
    ) -> list[Obj]:
        """Return objects, newest first, whose fields equal what is given.

        `before` and `after` are ids: only objects older than the first, newer than the second. With `after` and a
        `limit` the ones next to it are returned, newest first as well.
        """
        found = list(islice(self.each(kind, before=before, after=after, oldest_first=bool(after), **equal), limit))
        return found[::-1] if after else found

    def each(
        self, kind: str, *, before: str = "", after: str = "", oldest_first: bool = False, **equal: Any
    ) -> Iterator[Obj]:
        """Yield what `every` returns, read one by one as it is asked for: nothing may be changed meanwhile."""
        linked = [(name, value) for name, value in equal.items() if name in ALL_LINKED and isinstance(value, str)]
        rest = {name: value for name, value in equal.items() if (name, value) not in linked}
        if len(linked) > 1:
            linked.sort(key=lambda link: self._count_links(kind, *link))
        sql, values = select(kind, linked, before, after, oldest_first=oldest_first)
        for (body,) in self._db.execute(sql, values):
            obj: Obj = json.loads(body)
            if all(obj.get(name) == value for name, value in rest.items()):
                yield obj

    def linked_values(self, kind: str, field: str) -> list[str]:
        """Return the values that the objects of a kind are looked up by, each once."""
        sql = (  # from each value to the next, not over all that share it
            "WITH RECURSIVE v (value) AS (SELECT min(value) FROM links WHERE kind = :kind AND field = :field UNION ALL"
            " SELECT (SELECT min(l.value) FROM links l WHERE l.kind = :kind AND l.field = :field AND l.value > v.value)"
            " FROM v WHERE v.value IS NOT NULL) SELECT value FROM v WHERE value IS NOT NULL"
        )
        return [value for (value,) in self._db.execute(sql, {"kind": kind, "field": field})]

    def _link(self, seq: int, kind: str, obj: Obj) -> None:
        links = [(seq, kind, name, value) for name, value in links_of(obj)]
        self._db.executemany("INSERT OR IGNORE INTO links (seq, kind, field, value) VALUES (?, ?, ?, ?)", links)

    def _link_again(self) -> None:
        """Link what an earlier version kept by other fields."""
        fields = ",".join((*LINKED, *LINKED_HIDDEN))
        if self.read_note("linked") == fields:
            return
        with self.transaction():
            self._db.execute("DELETE FROM links")
            for seq, kind, body in self._db.execute("SELECT seq, kind, body FROM objects").fetchall():
                self._link(seq, kind, json.loads(body))
            self.note("linked", fields)

    def _count_links(self, kind: str, field: str, value: str) -> int:
        sql = "SELECT count(*) FROM (SELECT 1 FROM links WHERE kind = ? AND field = ? AND value = ? LIMIT ?)"
        ((count,),) = self._db.execute(sql, (kind, field, value, LINKS_COUNTED_MAX)).fetchall()
        return count

    # What is due.

    def schedule(self, timer: Timer, clock: str = "") -> None:
        """Remember to do something; the same action on the same object has one time, the last one given."""
        sql = (
            "INSERT INTO timers (due, action, id, clock) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (action, id) DO UPDATE SET due = excluded.due, clock = excluded.clock"
        )
        self._db.execute(sql, (timer.due, timer.action, timer.id, clock))

    def cancel(self, action: str, id: str) -> None:
        """Forget to do it."""
        self._db.execute("DELETE FROM timers WHERE action = ? AND id = ?", (action, id))

    def take_due(self, now: int, clock: str = "") -> Timer | None:
        """Return the earliest timer that is due, and forget it."""
        sql = (
            "DELETE FROM timers WHERE seq = (SELECT seq FROM timers WHERE clock = ? AND due <= ?"
            " ORDER BY due, seq LIMIT 1) RETURNING due, action, id"
        )
        rows = self._db.execute(sql, (clock, now)).fetchall()
        return Timer(*rows[0]) if rows else None

    def next_due(self, clock: str = "") -> int | None:
        """Return when the next timer is due, or None."""
        ((due,),) = self._db.execute("SELECT min(due) FROM timers WHERE clock = ?", (clock,)).fetchall()
        return due

    # Small facts that outlive `forget`.

    def note(self, name: str, value: str) -> None:
        """Write a fact down."""
        self._db.execute("INSERT OR REPLACE INTO notes (name, value) VALUES (?, ?)", (name, value))

    def read_note(self, name: str) -> str | None:
        """Return a fact, or None."""
        rows: Iterable[tuple[str]] = self._db.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchall()
        return next((value for (value,) in rows), None)
