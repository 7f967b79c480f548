"""The development server: its own database, secret and mail catcher, on loopback only."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from starlette.middleware.trustedhost import TrustedHostMiddleware

from tollhouse.app import Tollhouse, create_app
from tollhouse.boot_checks import settings_problems
from tollhouse.clock import Clock
from tollhouse.db.migrations import migrate
from tollhouse.dev.mail_routes import router as mail_router
from tollhouse.mail.transport import MemoryTransport
from tollhouse.settings import PREFIX, Settings
from tollhouse.signing.tokens import create_token

OWN_FILES: Final = (
    *(name + end for name in ("tollhouse.db", "sandbox.db") for end in ("", "-wal", "-shm")),
    "secret",
)
HOST: Final = "127.0.0.1"
APP_ORIGIN: Final = "http://localhost:3000"
COMMAND_STOP_SECONDS: Final = 10


def dev_settings(port: int, data: Path) -> Settings:
    """Return settings that need nothing from anybody; a brand, limits and origins may still come from outside."""
    given: dict[str, Any] = {
        "mode": "dev",
        "url": f"http://localhost:{port}",
        "database_url": f"sqlite:///{data.absolute() / 'tollhouse.db'}",
        "secret": _secret(data),
        "smtp_url": None,
        "log_format": os.environ.get(f"{PREFIX}LOG_FORMAT", "console"),
    }
    settings = Settings.load(settings_problems, **given)
    return settings if settings.app_origins else settings.model_copy(update={"app_origins": (APP_ORIGIN,)})


def _secret(data: Path) -> str:
    path = data / "secret"
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(create_token())
    return path.read_text(encoding="ascii")


def dev_app(settings: Settings) -> FastAPI:
    """Return the product with the mail catcher."""
    clock = Clock()
    catcher = MemoryTransport(sender=settings.mail_from or f"{settings.brand_name} <no-reply@localhost>", clock=clock)
    app = create_app(Tollhouse(settings, clock=clock, transport=catcher))
    app.state.tollhouse_catcher = catcher
    app.include_router(mail_router)
    # Or a page anywhere, by a name that it points to this machine, could read the caught mails (DNS rebinding).
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=["localhost", "127.0.0.1", "[::1]"])
    return app


def prepare(data: Path, *, reset: bool) -> Path:
    """Return the data folder, made if need be; to reset it forgets our own files and touches nobody else's."""
    for name in OWN_FILES if reset else ():
        (data / name).unlink(missing_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    return data


async def serve(*, port: int, data: Path, reset: bool, command: Sequence[str]) -> int:
    """Serve until a signal, or until the command ends; return the exit code."""
    from tollhouse.sandbox import Sandbox
    from tollhouse.sandbox.serving import PortTaken, claim_port, serving
    from tollhouse.sandbox.state.file import UnusableFile

    try:
        for each in (port, port + 1):
            claim_port(each)
    except PortTaken as error:
        sys.stderr.write(f"{error} This takes two, {port} and {port + 1}; --port chooses others.\n")
        return 1
    settings = dev_settings(port, prepare(data, reset=reset))
    try:
        account = Sandbox(path=data / "sandbox.db")
    except UnusableFile as error:
        sys.stderr.write(f"{error}\n")
        return 1
    await migrate(settings.database_url)
    async with serving(account, port=port + 1) as sandbox_url:
        _announce(settings, sandbox_url, data)
        return await _serve_product(settings, port, command)


async def _serve_product(settings: Settings, port: int, command: Sequence[str]) -> int:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    server = Server(dev_app(settings), address=HOST, port=port, interface=Interfaces.ASGI, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    child = await _start(command, settings) if command else None
    waiting: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait()), serving]
    if child is not None:
        waiting.append(asyncio.create_task(child.wait()))
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    code = await _stop(child) if child is not None else 0
    server.stop()
    await serving
    return code


async def _start(command: Sequence[str], settings: Settings) -> asyncio.subprocess.Process:
    names = {"URL": settings.url, "APP_ORIGINS": ",".join(settings.app_origins)}
    environment = os.environ | {PREFIX + name: value for name, value in names.items()}
    return await asyncio.create_subprocess_exec(*command, env=environment, start_new_session=True)


async def _stop(child: asyncio.subprocess.Process) -> int:
    """End the app that was started with us, with everything it started itself."""
    if child.returncode is None:
        os.killpg(child.pid, signal.SIGTERM)
        try:
            await asyncio.wait_for(child.wait(), COMMAND_STOP_SECONDS)
        except TimeoutError:
            os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
        return 0
    return child.returncode


def _announce(settings: Settings, sandbox_url: str, data: Path) -> None:
    lines = (
        f"Tollhouse is at  {settings.url}/auth/sign-in",
        f"Mails are at     {settings.url}/dev/mail",
        f"The API is at    {settings.url}/docs",
        f"Stripe is at     {sandbox_url}  (a sandbox: no money moves)",
        f"Data is in       {data}  (--reset forgets it)",
    )
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
