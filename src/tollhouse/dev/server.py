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
from tollhouse.clock import Clock, FollowingClock
from tollhouse.db.migrations import migrate
from tollhouse.dev.mail_routes import router as mail_router
from tollhouse.dev.sample_products import SAMPLE_PRODUCTS
from tollhouse.dev.stripe import connect, stock
from tollhouse.mail.transport import MemoryTransport
from tollhouse.sandbox import Sandbox
from tollhouse.sandbox.sandbox import API_KEY
from tollhouse.sandbox.serving import Draining, PortTaken, claim_port, serving
from tollhouse.sandbox.state.file import UnusableFile
from tollhouse.settings import PREFIX, Settings
from tollhouse.signing.tokens import create_token

OWN_FILES: Final = (
    *(name + end for name in ("tollhouse.db", "sandbox.db") for end in ("", "-wal", "-shm")),
    *("secret", "port"),
)
NO_WEBHOOK_SECRET: Final = "whsec_" + "0" * 32  # for commands, to which no webhook comes
HOST: Final = "127.0.0.1"
APP_ORIGIN: Final = "http://localhost:3000"
COMMAND_STOP_SECONDS: Final = 10


def product_url(port: int) -> str:
    """Return where the product is: `localhost`, so that an app on another port of it is same-site."""
    return f"http://localhost:{port}"


def dev_settings(port: int, data: Path, *, webhook_secret: str | None = None) -> Settings:
    """Return settings that need nothing from anybody; brand, limits, origins and products may come from outside.

    There is a till where the sandbox's `webhook_secret` is given.
    """
    given: dict[str, Any] = {
        "mode": "dev",
        "url": product_url(port),
        "database_url": f"sqlite:///{data.absolute() / 'tollhouse.db'}",
        "secret": _secret(data),
        "smtp_url": None,
        "stripe_api_key": API_KEY if webhook_secret else None,
        "stripe_api_base": f"http://{HOST}:{port + 1}",
        "stripe_webhook_secrets": webhook_secret or (),
        "log_format": os.environ.get(f"{PREFIX}LOG_FORMAT", "console"),
    }
    settings = Settings.load(settings_problems, **given)
    usual = {"app_origins": settings.app_origins or (APP_ORIGIN,), "products": settings.products or SAMPLE_PRODUCTS}
    return settings.model_copy(update=usual)


def kept_settings(data: Path) -> Settings:
    """Return the settings that `tollhouse dev` has, or had, for this data."""
    return dev_settings(int((data / "port").read_text()), data, webhook_secret=NO_WEBHOOK_SECRET)


def _secret(data: Path) -> str:
    path = data / "secret"
    with contextlib.suppress(FileExistsError):
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(create_token())
    return path.read_text(encoding="ascii")


def dev_toll(settings: Settings, clock: Clock) -> Tollhouse:
    """Return the product with the mail catcher in place of SMTP."""
    sender = settings.mail_from or f"{settings.brand_name} <no-reply@localhost>"
    return Tollhouse(settings, clock=clock, transport=MemoryTransport(sender=sender, clock=clock))


def dev_app(toll: Tollhouse) -> FastAPI:
    """Return the product's application with the pages of the mail catcher."""
    app = create_app(toll)
    app.state.tollhouse_catcher = toll.transport
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
    try:
        for each in (port, port + 1):
            claim_port(each)
    except PortTaken as error:
        sys.stderr.write(f"{error} This takes two, {port} and {port + 1}; --port chooses others.\n")
        return 1
    prepare(data, reset=reset)
    try:
        account = Sandbox(path=data / "sandbox.db")
    except UnusableFile as error:
        sys.stderr.write(f"{error}\n")
        return 1
    async with serving(account, port=port + 1) as sandbox_url:
        settings = dev_settings(port, data, webhook_secret=await connect(account, product_url(port)))
        await migrate(settings.database_url)
        (data / "port").write_text(str(port))
        # Whoever turns the sandbox's clock to a renewal turns the product's too.
        toll = dev_toll(settings, FollowingClock(lambda: account.clock.turned))
        await stock(toll)
        _announce(settings, sandbox_url, data)
        return await _serve_product(toll, port, command)


async def _serve_product(toll: Tollhouse, port: int, command: Sequence[str]) -> int:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    app = Draining(dev_app(toll))
    server = Server(app, address=HOST, port=port, interface=Interfaces.ASGI, log_enabled=False)
    running = asyncio.create_task(server.serve())
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    child = await _start(command, toll.settings) if command else None
    waiting: list[asyncio.Task[Any]] = [asyncio.create_task(stop.wait()), running]
    if child is not None:
        waiting.append(asyncio.create_task(child.wait()))
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    code = await _stop(child) if child is not None else 0
    server.stop()
    await running
    await app.drained()
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
        f"Prices are at    {settings.url}/billing/pricing",
        f"The API is at    {settings.url}/docs",
        f"Stripe is at     {sandbox_url}  (a sandbox: no money moves)",
        f"Data is in       {data}  (--reset forgets it)",
    )
    sys.stderr.write("\n".join(lines) + "\n")
    sys.stderr.flush()
