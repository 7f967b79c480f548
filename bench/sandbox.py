"""The sandbox: how soon it answers, and how quickly test suites get through it; to be fast is not its aim."""

from __future__ import annotations

import http.client
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlencode

from bench.load import Load, Result, send
from bench.report import Row, at_most
from tests.support.processes import Process, spawn

START_SECONDS_MAX = 0.5
REQUESTS_PER_SECOND_MIN = 300
MEDIAN_SECONDS_MAX = 0.005
PATIENCE_SECONDS = 30
SESSIONS = 600
CONNECTIONS = 1  # a suite asks for one thing after the other
KEY = "sk_test_sandbox"
SESSION = {
    "mode": "payment",
    "success_url": "https://example.com/ok",
    "line_items[0][quantity]": "1",
    "line_items[0][price_data][currency]": "usd",
    "line_items[0][price_data][unit_amount]": "1500",
    "line_items[0][price_data][product_data][name]": "Pack",
}


def measure_sandbox() -> Iterator[Row]:
    """Rows for the start, a small request, and a Checkout session made and paid."""
    seconds = min(_start_seconds() for _ in range(3))
    target, reached = at_most(seconds, START_SECONDS_MAX, "s")
    yield Row("", "tollhouse sandbox answers", seconds, "s", target=target, reached=reached)
    with tempfile.TemporaryDirectory(prefix="tollhouse-bench-") as folder, _spawn(Path(folder)) as process:
        _wait(process)
        yield from _rows("customer", _send(process, [_form("/v1/customers", {"email": "a@example.com"})] * SESSIONS))
        made = _send(process, [_form("/v1/checkout/sessions", SESSION)] * SESSIONS)
        yield from _rows("Checkout session", made)
        ids = [json.loads(reply.partition(b"\r\n\r\n")[2])["id"] for reply in made.replies]
        paid = _send(
            process, [_json(f"/control/checkout/sessions/{id}/pay", {"card": "4242424242424242"}) for id in ids]
        )
        yield from _rows("paying it", paid)


def _rows(name: str, result: Result) -> Iterator[Row]:
    assert set(result.statuses) == {200}, result.statuses
    rate, median = result.per_second, result.percentile(0.5)
    yield Row("", f"sandbox: {name}", rate, "/s").judged(
        f"≥ {REQUESTS_PER_SECOND_MIN} /s", rate >= REQUESTS_PER_SECOND_MIN
    )
    target, reached = at_most(median, MEDIAN_SECONDS_MAX, "s")
    yield Row("", f"sandbox: {name}, p50", median, "s", target=target, reached=reached)


def _send(process: Process, requests: list[bytes]) -> Result:
    return send(Load(process.port, requests, connections=CONNECTIONS, keep_replies=True))


def _form(path: str, fields: dict[str, str]) -> bytes:
    return _request(path, urlencode(fields), "application/x-www-form-urlencoded")


def _json(path: str, body: dict[str, str]) -> bytes:
    return _request(path, json.dumps(body), "application/json")


def _request(path: str, body: str, kind: str) -> bytes:
    head = (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1\r\nauthorization: Bearer {KEY}\r\n"
        f"content-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


def _spawn(folder: Path) -> Process:
    return spawn(["sandbox", "--port", "{port}"], {}, folder=folder)


def _start_seconds() -> float:
    with tempfile.TemporaryDirectory(prefix="tollhouse-bench-") as folder:
        began = time.monotonic()
        with _spawn(Path(folder)) as process:
            _wait(process)
            return time.monotonic() - began


def _wait(process: Process) -> None:
    """Return once it answers."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=5)
        with suppress(OSError):
            connection.request("GET", "/v1/customers")
            connection.getresponse()
            return
        connection.close()
        time.sleep(0.005)
    raise RuntimeError(f"the sandbox did not answer:\n{process.text()}")
