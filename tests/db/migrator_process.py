"""A migrator in a process of its own: URL, and `dies` for one that a power cut ends after its first table."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

from sqlalchemy import Engine, event

from tollhouse.db.migrations import migrate


def die_after_tables(count: int) -> None:
    created = 0

    @event.listens_for(Engine, "after_cursor_execute")
    def count_tables(_c: object, _cursor: object, statement: str, *_: object) -> None:
        nonlocal created
        created += "CREATE" in statement and "tollhouse_" in statement
        if created == count:
            os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    if len(sys.argv) > 2:
        die_after_tables(int(sys.argv[2]))
    asyncio.run(migrate(sys.argv[1]))
