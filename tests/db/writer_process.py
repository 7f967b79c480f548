"""A process that raises a counter, run by the tests as another replica: FILE NAME TIMES."""

from __future__ import annotations

import asyncio
import sys

from tests.db.rows import open_database, raise_value


async def main(url: str, name: str, times: int) -> None:
    db = await open_database(url)
    for _ in range(times // 10):
        await asyncio.gather(*(db.transact(raise_value, name) for _ in range(10)))
    await db.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
