"""Requests byte by byte at the real server: what is no HTTP gets no answer but a refusal, and never two answers."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.hostile.gate import environment_for
from tests.support.children import LOOPBACK
from tests.support.databases import SqliteDatabases
from tests.support.processes import Process
from tests.support.testdata import require_testdata

CASES: list[dict[str, Any]] = json.loads(require_testdata("security", "http", "raw_requests.json").read_text())["cases"]
STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
QUIET_SECONDS = 0.3
LIVE = b"GET /health/live HTTP/1.1\r\n"
POST = b"POST /auth/callback HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
SMUGGLED = b"GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n"

# Aimed at routes that would say 200 if the request were taken.
REFUSED = {
    "two hosts": LIVE + b"Host: a\r\nHost: b\r\n\r\n",
    "no host": LIVE + b"\r\n",
    "a host with a space": LIVE + b"Host: a b\r\n\r\n",
    "a host with a path": LIVE + b"Host: a/../@b\r\n\r\n",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: 5\r\n\r\nhello",
    "a list of lengths": POST + b"Content-Length: 5, 5\r\n\r\nhello",
    "a signed length": POST + b"Content-Length: +5\r\n\r\nhello",
    "identity coding": POST + b"Transfer-Encoding: identity\r\n\r\nhello",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "gzip, chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative chunk": CHUNKED + b"-5\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk size with underscore": CHUNKED + b"0_5\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
    "a chunk size after space": CHUNKED + b" 5\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
    "a carriage return in a chunk extension": CHUNKED + b"5;a=\rb\r\nhello\r\n0\r\n\r\n" + SMUGGLED,
    "both length and coding": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "a folded header": LIVE + b"Host: a\r\nX-A: b\r\n c\r\n\r\n",
    "a space before the colon": LIVE + b"Host: a\r\nX-A : b\r\n\r\n",
    "a bare carriage return": LIVE + b"Host: a\r\nX: 1\rY: 2\r\n\r\n",
    "NUL in a value": LIVE + b"Host: a\r\nX: 1\x002\r\n\r\n",
    "NUL in a name": LIVE + b"Host: a\r\nX\x00: 1\r\n\r\n",
    "NUL in the path": b"GET /health/live\x00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "an encoded NUL in the path": b"GET /auth/callback%00 HTTP/1.1\r\nHost: a\r\n\r\n",
    "no name": LIVE + b"Host: a\r\n: x\r\n\r\n",
    "TRACE": b"TRACE /health/live HTTP/1.1\r\nHost: a\r\n\r\n",
    "CONNECT": b"CONNECT /health/live HTTP/1.1\r\nHost: a\r\n\r\n",
    "a method in lower case": b"get /health/live HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/0.9": b"GET /health/live\r\n\r\n",
    "HTTP/2 in the clear": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "two session cookies": b"GET /auth/session HTTP/1.1\r\nHost: a\r\nCookie: tollhouse=a; tollhouse=b\r\n\r\n",
    "two content types": POST + b"Content-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
}


@pytest.fixture
async def server(spawn_tollhouse: Callable[..., Process], sqlite_databases: SqliteDatabases, tmp_path: Path) -> Process:
    async with sqlite_databases.migrated(tmp_path) as url:
        environment = environment_for(url, smtp_port=9)
        return await spawn_tollhouse("serve", "--port", "{port}", env=environment).answers()


async def send(port: int, raw: bytes, *, quiet_seconds: float = QUIET_SECONDS) -> list[int]:
    """The statuses of all answers, until the server hangs up or has been quiet for a while."""
    reader, writer = await asyncio.open_connection(LOOPBACK, port)
    answer = b""
    try:
        writer.write(raw)
        await writer.drain()
        while chunk := await asyncio.wait_for(reader.read(65536), quiet_seconds):
            answer += chunk
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return [int(status) for status in STATUS.findall(answer)]


@pytest.mark.slow
async def test_what_is_no_http_is_refused_and_what_is_does_no_harm(server: Process) -> None:
    cases = {case["id"]: (case["verdict"] == "reject", base64.b64decode(case["raw_b64"])) for case in CASES}
    cases |= {name: (True, raw) for name, raw in REFUSED.items()}
    statuses = await asyncio.gather(*(send(server.port, raw) for _, raw in cases.values()))
    wrong: dict[str, list[int]] = {}
    for (name, (refuse, _)), answers in zip(cases.items(), statuses, strict=True):
        if len(answers) > 1 or any(status >= 500 for status in answers):
            wrong[name] = answers
        if refuse and any(status < 400 for status in answers):
            wrong[name] = answers
    assert not wrong
    assert await send(server.port, SMUGGLED) == [200], "and the server is well"
    assert "request_failed" not in server.text(), "broken requests are no errors of ours"


@pytest.mark.slow
async def test_large_and_slow_requests_are_cut_off(server: Process) -> None:
    size_before = resident_bytes(server.pid)
    header = LIVE + b"Host: a\r\nX-A: " + b"a" * 16_000_000 + b"\r\n\r\n"
    assert set(await send(server.port, header)) <= {431, 400}
    many = LIVE + b"Host: a\r\n" + b"".join(b"X-%d: b\r\n" % number for number in range(2000)) + b"\r\n"
    assert set(await send(server.port, many)) <= {431, 400}
    body = POST + b"Content-Length: 104857600\r\n\r\n" + b"a" * 1_000_000
    assert set(await send(server.port, body)) <= {413}
    chunks = CHUNKED + (b"10000\r\n" + b"a" * 65536 + b"\r\n") * 320
    assert set(await send(server.port, chunks)) <= {413}
    started = time.monotonic()
    assert await send(server.port, LIVE + b"Host: a\r\n", quiet_seconds=15) == []
    assert 8 < time.monotonic() - started < 13, "half a header is closed after ten seconds"
    assert await send(server.port, SMUGGLED) == [200]
    assert resident_bytes(server.pid) - size_before < 50_000_000


def resident_bytes(pid: int) -> int:
    """The memory of a process and of those it started."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    statuses = (Path(f"/proc/{process}/status").read_text() for process in (str(pid), *children))
    return sum(
        int(line.split()[1]) * 1024 for text in statuses for line in text.splitlines() if line.startswith("VmRSS")
    )
