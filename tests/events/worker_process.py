"""A replica in a process of its own: URL and the file that its one handler writes each event into."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from tests.events.rig import open_rig
from tollhouse.events import Event


async def main(url: str, file: Path) -> None:
    rig = await open_rig(url)

    async def write_down(event: Event) -> None:
        with file.open("a") as log:
            log.write(f"{event.id}\n")

    rig.handlers.on("user.created", name="seen")(write_down)
    await rig.start()
    print("ready", flush=True)
    await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
