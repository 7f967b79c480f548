"""A FastAPI application with Tollhouse mounted, whose routes stand side by side: open, and for callers only."""

from __future__ import annotations

import sys
from typing import Annotated

from fastapi import Depends, FastAPI
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels

from tollhouse import Caller, Tollhouse
from tollhouse.cli.running import HEADER_BYTES_MAX, HEADER_READ_TIMEOUT_MS

toll = Tollhouse()
app = FastAPI()
toll.install(app)


@app.get("/open")
async def show_open() -> dict[str, str]:
    """The same every time."""
    return {"user_id": "usr_019aa3d1f0c67b2e4d8c91f35a60e7d4"}


@app.get("/closed")
async def show_closed(caller: Annotated[Caller, Depends(toll.caller)]) -> dict[str, str]:
    """As long, for whoever has a token."""
    return {"user_id": caller.user_id}


def main(port: int) -> None:
    """Serve it with one worker, as `tollhouse serve` does."""
    Granian(
        "bench.host:app",
        address="127.0.0.1",
        port=port,
        interface=Interfaces.ASGI,
        http=HTTPModes.http1,
        workers=1,
        websockets=False,
        log_level=LogLevels.warning,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_READ_TIMEOUT_MS, max_buffer_size=HEADER_BYTES_MAX),
    ).serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
