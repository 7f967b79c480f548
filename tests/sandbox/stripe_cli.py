"""The Stripe CLI, as npm has it, held to a sandbox on the loopback."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.support.node import find_packages

PACKAGES = Path(__file__).parent / "node"
COMMAND_SECONDS_MAX = 30
LISTEN_SECONDS_MAX = 20
KEY = "sk_test_sandbox"


class StripeCli:
    """Commands of the CLI against one sandbox."""

    def __init__(self, url: str, folder: Path) -> None:
        (self._binary,) = find_packages(PACKAGES).glob("@stripe/cli-*/bin/stripe")
        self._url = url
        self._folder = folder

    async def run(self, *words: str) -> tuple[int, str]:
        """Return a command's exit code with all it said."""
        process = await self._start(*words)
        async with asyncio.timeout(COMMAND_SECONDS_MAX):
            said, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, said.decode()

    @asynccontextmanager
    async def listen(self, *words: str) -> AsyncGenerator[AsyncIterator[str]]:
        """Listen inside the block; the value is what it says, line by line, from when it is ready."""
        process = await self._start("listen", *words)
        assert process.stdout is not None
        lines = _read_lines(process.stdout)
        try:
            async with asyncio.timeout(LISTEN_SECONDS_MAX):
                async for line in lines:
                    if "Ready!" in line:
                        break
            yield lines
        finally:
            process.terminate()
            await process.wait()

    async def _start(self, *words: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            self._binary, *words, "--api-base", self._url, "--color", "off",
            cwd=self._folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self._folder),
                "XDG_CONFIG_HOME": str(self._folder),
                "STRIPE_API_KEY": KEY,
                "STRIPE_CLI_TELEMETRY_OPTOUT": "1",
                # It asks GitHub for its newest version, without a limit in time: there is no way out here.
                "HTTPS_PROXY": "http://127.0.0.1:1",
            },
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip


async def _read_lines(stream: asyncio.StreamReader) -> AsyncGenerator[str]:
    while line := await stream.readline():
        yield line.decode().rstrip()
