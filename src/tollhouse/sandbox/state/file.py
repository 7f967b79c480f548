"""The database a sandbox keeps its objects in: its own file, that no other has open, or memory."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

TABLES_KNOWN_BY: Final = frozenset({"objects", "links", "timers", "notes"})
BEGIN: Final = "PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF;"
# The whole file is locked from the first access until it is closed, or its process ends in whatever way.
LOCK: Final = "PRAGMA locking_mode = EXCLUSIVE;"
BEGIN_LOCKED: Final = BEGIN + "BEGIN EXCLUSIVE; COMMIT;"
BUSY: Final = frozenset({"SQLITE_BUSY", "SQLITE_BUSY_RECOVERY", "SQLITE_LOCKED"})


class UnusableFile(OSError):
    """The file cannot be a sandbox's, or is another's at the moment; the message names it and says why."""


def connect(path: Path | None) -> sqlite3.Connection:
    """Open the file, made if need be, or memory. Raises `UnusableFile`."""
    try:
        db = sqlite3.connect(path or ":memory:", timeout=0, isolation_level=None, check_same_thread=False)
        if path is not None:
            db.execute(LOCK)
            _check_tables(db, path)
        db.executescript(BEGIN if path is None else BEGIN_LOCKED)
    except sqlite3.DatabaseError as error:
        raise UnusableFile(f"{path} {_explain(error)}.") from error
    return db


def _check_tables(db: sqlite3.Connection, path: Path) -> None:
    """Leave what belongs to others as it is. Raises `UnusableFile`."""
    names = {name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    if names and not names >= TABLES_KNOWN_BY:
        db.close()
        raise UnusableFile(f"{path} is not a sandbox's database but somebody else's.")


def _explain(error: sqlite3.DatabaseError) -> str:
    if error.sqlite_errorname in BUSY:
        return "is in use: another sandbox has it open"
    if error.sqlite_errorname == "SQLITE_NOTADB":
        return "is not a sandbox's database"
    return f"cannot be used: {error}"
