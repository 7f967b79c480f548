"""The product as people meet it: a running server and the mails that it sends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

MAIL_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Mail:
    """One mail as the catcher has it."""

    to: str
    subject: str
    text: str
    html: str
    link: str
    code: str
    received_at: str

    @property
    def token(self) -> str:
        """The secret in the link."""
        return self.link.partition("#")[2]

    @property
    def wrong_code(self) -> str:
        """Six digits that are not the code."""
        return f"{(int(self.code) + 1) % 1_000_000:06}"


class Product:
    """A running `tollhouse dev`."""

    def __init__(self, url: str, client: httpx.AsyncClient, *, data: Path | None = None) -> None:
        self.url = url
        self.client = client
        self.data = data

    async def mails_to(self, address: str) -> list[Mail]:
        """The mails to one address, oldest first."""
        reply = await self.client.get("/dev/mail.json")
        mails: list[dict[str, Any]] = reply.raise_for_status().json()
        return [Mail(**mail) for mail in reversed(mails) if mail["to"] == address]

    async def mail_to(self, address: str, *, number: int = 1) -> Mail:
        """The mail of this number to the address, once it is there."""
        deadline = asyncio.get_running_loop().time() + MAIL_SECONDS_MAX
        while asyncio.get_running_loop().time() < deadline:
            mails = await self.mails_to(address)
            if len(mails) >= number:
                return mails[number - 1]
            await asyncio.sleep(0.02)
        raise AssertionError(f"no mail {number} came to {address} within {MAIL_SECONDS_MAX} s")

    async def turn_clock(self, seconds: int) -> None:
        """Turn the server's clock forward."""
        (await self.client.post("/dev/clock/advance", json={"seconds": seconds})).raise_for_status()
