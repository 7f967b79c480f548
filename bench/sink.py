"""A mail server that takes everything at once and writes down when each mail came and what its link was.

It is written by hand because a mail server out of a library would use more processor time than what is measured here.
"""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

import uvloop

TOKEN = re.compile(r"/auth/callback#([A-Za-z0-9_-]{43})")
END_OF_MAIL = b"\r\n.\r\n"


@dataclass(frozen=True, slots=True)
class Arrival:
    """One mail: when it was taken (monotonic seconds), to whom, and the token in it."""

    at: float
    to: str
    token: str


class Session(asyncio.Protocol):
    """One SMTP connection."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._received = b""
        self._to = ""
        self._in_data = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self._transport.write(b"220 sink.bench.example ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._received += data
        while True:
            end = END_OF_MAIL if self._in_data else b"\r\n"
            part, found, rest = self._received.partition(end)
            if not found:
                return
            self._received = rest
            if self._in_data:
                self._in_data = False
                self._take(part)
            else:
                self._obey(part)

    def _obey(self, line: bytes) -> None:
        verb = line[:4].upper()
        if verb == b"RCPT":
            self._to = line.partition(b"<")[2].partition(b">")[0].decode()
        if verb == b"DATA":
            self._in_data = True
            self._transport.write(b"354 Go on\r\n")
        elif verb == b"QUIT":
            self._transport.write(b"221 Bye\r\n")
            self._transport.close()
        else:
            self._transport.write(b"250 Fine\r\n")

    def _take(self, mail: bytes) -> None:
        self._transport.write(b"250 Taken\r\n")
        self._output.write(f"{time.monotonic()} {self._to} {token_in(mail)}\n")


def token_in(mail: bytes) -> str:
    """The token in the mail's text, its lines put together again where quoted-printable had broken them."""
    plain = mail.replace(b"=\r\n", b"").replace(b"=3D", b"=").decode("ascii", "replace")
    found = TOKEN.search(plain)
    if found is None:
        body = email.message_from_bytes(mail, policy=email.policy.SMTP).get_body(("plain",))
        found = TOKEN.search(body.get_content() if body else "")
    assert found is not None, "a mail without a link"
    return found[1]


def read_arrivals(path: Path) -> list[Arrival]:
    """Every mail taken so far."""
    lines = [line.split() for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    return [Arrival(float(at), to, token) for at, to, token in lines]


async def serve(port: int, path: Path) -> None:
    """Take mails until killed."""
    with path.open("a", buffering=1) as output:
        server = await asyncio.get_running_loop().create_server(lambda: Session(output), "127.0.0.1", port)
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
