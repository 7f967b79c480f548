"""A small server on loopback: the sample pages with their real headers, and a stub of the routes they post to."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from tollhouse.pages import Pages, mail_frame_headers, security_headers

from .samples import samples

MAIL_HTML = b"<!doctype html><html lang=en><title>Mail</title><body style='font:16px sans-serif'><p>Hello.</p></html>"
LANDED = b"<!doctype html><html lang=en><title>Landed</title><h1>Landed</h1></html>"


@dataclass
class Stub:
    """What the preview answers, and what was posted."""

    status: int = 200
    reply: object = field(default_factory=dict[str, object])
    post_status: int = 303
    previewed: list[str] = field(default_factory=list[str])
    posted: list[tuple[str, dict[str, list[str]]]] = field(default_factory=list[tuple[str, dict[str, list[str]]]])
    requested: list[str] = field(default_factory=list[str])


class Door(ThreadingHTTPServer):
    """The server with its pages and its stub."""

    daemon_threads = True

    def __init__(self, pages: Pages) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.pages = pages
        self.stub = Stub()
        self.samples = {sample.name: sample for sample in samples()}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


@contextmanager
def serving(pages: Pages) -> Iterator[Door]:
    """A running server, ended with the block."""
    with Door(pages) as door:
        thread = threading.Thread(target=door.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield door
        finally:
            door.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: Door  # pyright: ignore[reportIncompatibleVariableOverride]  # the only one that makes us
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.stub.requested.append(self.path)
        if path.startswith("/auth/static/"):
            asset = self.server.pages.asset(path.removeprefix("/auth/static/"))
            self._send(200, asset.body, [(b"content-type", asset.media_type.encode())])
        elif path.startswith("/auth/callback"):
            self._page(self.server.pages.render("callback.html"))
        elif path.startswith("/page/"):
            sample = self.server.samples[path.removeprefix("/page/")]
            self._page(self.server.pages.render(sample.template, **sample.context))
        elif path.endswith("/html"):
            self._send(200, MAIL_HTML, [(b"content-type", b"text/html"), *mail_frame_headers(https=False)])
        else:
            self._send(200, LANDED, [(b"content-type", b"text/html")])

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        stub = self.server.stub
        if self.path == "/auth/callback/preview":
            stub.previewed.append(json.loads(body)["token"])
            reply = stub.reply if isinstance(stub.reply, bytes) else json.dumps(stub.reply).encode()
            self._send(stub.status, reply, [(b"content-type", b"application/json")])
        else:
            stub.posted.append((self.path, parse_qs(body.decode())))
            self._send(stub.post_status, b"", [(b"location", b"/landed")])

    def _page(self, html: str) -> None:
        headers = security_headers(form_targets=[], https=False, frames=True)
        self._send(200, html.encode(), [(b"content-type", b"text/html; charset=utf-8"), *headers])

    def _send(self, status: int, body: bytes, headers: list[tuple[bytes, bytes]]) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name.decode(), value.decode())
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
