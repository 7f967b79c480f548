"""`tollhouse doctor`: what it says of the issuers whose tokens are to be accepted."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.cli.conftest import Shell
from tests.support.hostile_issuer import document


class Keys(BaseHTTPRequestHandler):
    """Publishes two EC keys at one path, and nothing elsewhere."""

    def do_GET(self) -> None:
        found = self.path == "/keys.json"
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(document("1", "2") if found else b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def issuer_url() -> Iterator[str]:
    """Where an issuer's keys can be had, on loopback."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Keys)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def findings(shell: Shell, monkeypatch: pytest.MonkeyPatch, **issuer: object) -> dict[str, dict[str, str]]:
    usual = {"name": "partner", "audiences": ["https://api.example.com"], "algorithms": ["ES256"]}
    monkeypatch.setenv("TOLLHOUSE_ISSUERS", json.dumps([usual | issuer]))
    monkeypatch.setenv("TOLLHOUSE_SMTP_URL", "smtp://127.0.0.1:9")
    return {found["subject"]: found for found in json.loads(shell.run("doctor", "--json").out)}


def test_an_issuer_whose_keys_are_there_is_fine(shell: Shell, monkeypatch: pytest.MonkeyPatch, issuer_url: str) -> None:
    found = findings(shell, monkeypatch, issuer=issuer_url, jwks_url=f"{issuer_url}/keys.json")["issuer partner"]
    assert (found["level"], found["text"]) == ("ok", "publishes 2 usable keys")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({}, "status_404"),
        ({"jwks_url": "{url}/keys.json", "algorithms": ["RS256"]}, "none of its keys is for RS256"),
        ({"jwks_url": "http://127.0.0.1:9/keys.json"}, "cannot be had"),
    ],
)
def test_one_whose_tokens_could_not_be_verified_is_named(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, issuer_url: str, given: dict[str, object], says: str
) -> None:
    filled = {
        name: value.replace("{url}", issuer_url) if isinstance(value, str) else value for name, value in given.items()
    }
    found = findings(shell, monkeypatch, issuer=issuer_url, **filled)["issuer partner"]
    assert found["level"] == "failure"
    assert says in found["text"], found


def test_unsafe_issuers_and_claims_are_named_with_their_fix_before_anything_starts(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    issuer = {"name": "clerk", "preset": "clerk", "issuer": "http://clerk.example.com", "algorithms": ["HS256"]}
    monkeypatch.setenv("TOLLHOUSE_ISSUERS", json.dumps([issuer]))
    monkeypatch.setenv("TOLLHOUSE_ACCESS_TOKEN_CLAIMS", '{"sub": "x", "scope": ["a"]}')
    monkeypatch.setenv(
        "TOLLHOUSE_CLIENTS", json.dumps([{"id": "a", "name": "A", "redirect_uris": ["http://a.example/*"]}])
    )
    ran = shell.run("doctor")
    assert ran.code == 1
    for words in (
        "`sub` is a claim",
        "`scope` is text",
        "plain http",
        "HS256",
        "authorized_parties",
        "TOLLHOUSE_CLIENTS",
    ):
        assert words in ran.err, ran.err
