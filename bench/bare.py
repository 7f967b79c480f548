"""The machine's own limit for HTTP: one Starlette route on the settings that `tollhouse serve` gives Granian."""

from __future__ import annotations

import sys

from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from tollhouse.cli.running import HEADER_BYTES_MAX, HEADER_READ_TIMEOUT_MS

# As long as the reply of GET /auth/session.
REPLY = {
    "user_id": "usr_019aa3d1f0c67b2e4d8c91f35a60e7d4",
    "email": "person-000000@bench.example",
    "session_id": "ses_019aa3d1f0c67b2e4d8c91f35a60e7d4",
    "created_at": "2026-01-01T12:00:00Z",
    "expires_at": "2026-06-30T12:00:00Z",
}


async def reply(_request: Request) -> JSONResponse:
    """The same every time."""
    return JSONResponse(REPLY)


async def take(request: Request) -> JSONResponse:
    """Read the body and say so, the least that a webhook's receiver can do."""
    await request.body()
    return JSONResponse({"received": True, "status": "processed"})


app = Starlette(routes=[Route("/bare", reply), Route("/bare", take, methods=["POST"])])


def serve(app: str, port: int) -> None:
    """Serve an application with one worker."""
    Granian(
        app,
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
    serve("bench.bare:app", int(sys.argv[1]))
