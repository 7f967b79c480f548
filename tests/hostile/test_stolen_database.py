"""A stolen database names nobody and signs nobody in, with mails pending, links alive and sessions living."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import httpx
import pytest

from tests.hostile.gate import SECRET, Gate, ask, cookies_of, redeem, running, type_code, who
from tests.support.databases import Backend
from tests.support.postgres import PostgresEndpoint
from tollhouse.mail.errors import MailDeferred
from tollhouse.mail.message import Mail
from tollhouse.mail.transport import MemoryTransport
from tollhouse.signing.tokens import CODE_DIGITS, parse_token

SIGN_INS = 100
PENDING = 10
PLAUSIBLE = re.compile(rb"[A-Za-z0-9_+/=-]{16,200}")


class Wavering(MemoryTransport):
    """A mail server that goes away; whatever it was handed before and after is remembered here."""

    def __init__(self) -> None:
        super().__init__()
        self.away = False
        self.refused: list[Mail] = []

    async def send(self, mail: Mail) -> None:
        if self.away:
            self.refused.append(mail)
            raise MailDeferred("The mail server is away.", stage="connect")
        await super().send(mail)


async def use_it(gate: Gate, transport: Wavering) -> tuple[list[str], list[str], list[httpx.AsyncClient]]:
    """A hundred people in every state; returns their addresses, their secrets and their browsers."""
    secrets: list[str] = []
    browsers = [gate.browser(ip=f"198.51.100.{number}") for number in range(SIGN_INS)]
    addresses = [f"person{number}.oneinamillion@mailbox{number}.example" for number in range(SIGN_INS)]
    for browser, address in zip(browsers, addresses, strict=True):
        assert (await ask(browser, address, next="/account")).status_code == 202
    letters = {letter.to: letter for letter in await gate.letters()}
    for number, (browser, address) in enumerate(zip(browsers, addresses, strict=True)):
        letter = letters[address]
        secrets += [letter.token, letter.code]
        if number % 10 == 9:
            continue  # alive, unused
        used = await (type_code(browser, letter.code) if number % 10 == 8 else redeem(browser, letter.token))
        assert used.status_code == 200
    for browser in browsers:
        secrets += cookies_of(browser).values()
    transport.away = True
    late = [f"late{number}.oneinamillion@mailbox.example" for number in range(PENDING)]
    for number, address in enumerate(late):
        browser = gate.browser(ip=f"203.0.113.{number}")
        await ask(browser, address)
        secrets += cookies_of(browser).values()
    return addresses + late, secrets, browsers


def spellings(text: str) -> set[bytes]:
    """What a text may look like in bytes: as it is, as hex, as base64 at each alignment, and its raw bytes the same."""
    plain = {text.encode(), text.encode("utf-16-le")}
    raw = parse_token(text)
    if raw is not None:
        plain.add(raw)
    found = set(plain)
    for each in plain:
        found |= {each.hex().encode(), each.hex().upper().encode()}
        for shift in range(3):
            encoded = base64.b64encode(b"\0" * shift + each)[(4 if shift else 0) : -4]
            found |= {encoded, encoded.translate(bytes.maketrans(b"+/", b"-_"))}
    return {each for each in found if len(each) >= 8}


def bytes_of(database_url: str, backend: Backend, server: PostgresEndpoint | None) -> bytes:
    """What a thief gets: the files, or the dump."""
    if backend == "sqlite":
        path = Path(database_url.removeprefix("sqlite:///"))
        return b"".join(file.read_bytes() for file in sorted(path.parent.glob(path.name + "*")))
    assert server is not None
    name = database_url.rpartition("/")[2]
    return server.dump(name).encode() + server.dump(name, "--inserts").encode()


def find_strings(dump: bytes) -> set[str]:
    """Everything of plausible shape in it, and what its binary columns say as base64 and as hex."""
    found = {match.decode() for match in PLAUSIBLE.findall(dump)}
    blobs = [bytes.fromhex(match.decode()) for match in re.findall(rb"\\x((?:[0-9a-f]{2}){16,})", dump)]
    # SQLite: a 32-byte value may begin at any byte; those that look random are digests, keys or sealed boxes.
    for blob in blobs:
        for width in (32, 43):
            found.add(base64.urlsafe_b64encode(blob[:width]).rstrip(b"=").decode())
        found.add(blob.hex())
    return found


@pytest.mark.slow
@pytest.mark.unmeasured
async def test_a_stolen_database_names_nobody_and_signs_nobody_in(
    migrated_database_url: str, backend: Backend, request: pytest.FixtureRequest
) -> None:
    server = request.getfixturevalue("postgres_server") if backend == "postgres" else None
    transport = Wavering()
    async with running(migrated_database_url, transport=transport) as gate:
        addresses, secrets, browsers = await use_it(gate, transport)
        dump = bytes_of(migrated_database_url, backend, server)
        assert b"mgl_" in dump, "the thief has the right database"
        in_lower_case = dump.lower()
        for address in addresses:
            assert address.encode() not in in_lower_case, address
        assert b"oneinamillion" not in in_lower_case
        for secret in [*secrets, SECRET]:
            if len(secret) == CODE_DIGITS:
                code = secret.encode()  # first in the pattern, for then the search is quick
                alone = code + rb"(?<![0-9A-Za-z]" + code + rb")(?![0-9A-Za-z])"
                assert re.search(alone, dump) is None, secret
                continue
            for spelling in spellings(secret):
                assert spelling not in dump, f"{secret} as {spelling!r}"
        tried = await replay(gate, dump, await columns_of(gate))
        assert tried > 200
        assert await who(browsers[0]) == addresses[0], "whom it belongs to is still signed in"


async def columns_of(gate: Gate) -> set[str]:
    """Every stored binary value as the text that a cookie or a link would carry it in; the SQLite file has no marks."""
    from sqlalchemy import LargeBinary, select

    from tollhouse.db import Statement, metadata

    found: set[str] = set()
    for table in metadata.tables.values():
        columns = [column for column in table.c if isinstance(column.type, LargeBinary)]
        for column in columns:
            for value in await gate.toll.run.db.fetch_all(Statement(select(column), lambda stored: stored)):
                if value:
                    text = base64.urlsafe_b64encode(bytes(value)).rstrip(b"=").decode()
                    found |= {text, text[:43], text[-43:], bytes(value).hex()}
    return found


async def replay(gate: Gate, dump: bytes, columns: set[str]) -> int:
    """Try each string as a link, as a session's cookie and as a browser's cookie; return how many there were."""
    thief = gate.browser(ip="192.0.2.66")
    names = (gate.toll.web.session_cookie.name.decode(), gate.toll.web.browser_cookie.name.decode())
    strings = find_strings(dump) | columns
    shaped = {text for text in strings if parse_token(text[:43])} | set(sorted(strings)[:300])
    for text in shaped:
        for candidate in {text, text[:43]}:
            assert (await redeem(thief, candidate)).status_code == 400, candidate
            for name in names:
                headers = {"cookie": f"{name}={candidate}"}
                assert (await thief.get("/auth/session", headers=headers)).status_code in {400, 401}, candidate
            tried = await thief.post(
                "/auth/code", json={"code": "000000"}, headers={"cookie": f"{names[1]}={candidate}"}
            )
            assert tried.status_code == 400
            assert tried.json()["tries_left"] == 0, f"{candidate} is some browser"
    return len(shaped)


def test_the_search_itself_finds_what_lies_open() -> None:
    """Without this, a search that finds nothing would prove nothing."""
    token = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyYm8"
    raw = parse_token(token)
    assert raw is not None
    for hidden in (token.encode(), raw, raw.hex().encode(), base64.b64encode(b"x" + token.encode() + b"y")):
        assert any(spelling in b"before " + hidden + b" after" for spelling in spellings(token)), hidden
