"""The sandbox alone."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from tollhouse.sandbox import Sandbox

PORT: Final = click.IntRange(1, 65_535)


@click.command()
@click.option("--port", default=8001, show_default=True, type=PORT, help="Port to listen on, on loopback.")
@click.option("--data", type=click.Path(path_type=Path, dir_okay=False), help="Keep everything in this file.")
@click.option("--seed", type=int, help="Give the same ids in every run.")
def sandbox(port: int, data: Path | None, seed: int | None) -> None:
    """Run the Stripe sandbox alone: a stand-in for Stripe, without an account and without the internet.

    Without --data it forgets everything when it stops.

    \b
    Examples:
      tollhouse sandbox
      tollhouse sandbox --port 12111 --data sandbox.db
    """
    from tollhouse.sandbox import Sandbox
    from tollhouse.sandbox.state.file import UnusableFile

    try:
        account = Sandbox(path=data, seed=seed)
    except UnusableFile as error:
        click.echo(str(error), err=True)
        sys.exit(1)
    sys.exit(asyncio.run(_serve(account, port)))


async def _serve(account: Sandbox, port: int) -> int:
    """Serve until a signal; return the exit code."""
    from tollhouse.sandbox.serving import PortTaken, serving

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        async with serving(account, port=port) as url:
            click.echo(f"Stripe's sandbox is at  {url}\nIts API takes any test key, such as sk_test_sandbox.", err=True)
            await stop.wait()
    except PortTaken as error:
        click.echo(f"{error} Choose another with --port.", err=True)
        return 1
    return 0
