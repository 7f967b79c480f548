"""A FastAPI application with Tollhouse mounted, whose routes stand side by side: open, and for callers only."""

from __future__ import annotations

import sys
from typing import Annotated

from fastapi import Depends, FastAPI

from bench.bare import serve
from tollhouse import Caller, Tollhouse

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


if __name__ == "__main__":
    serve("bench.host:app", int(sys.argv[1]))
