"""A running Tollhouse, mounted in an application with routes that want callers."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable
from threading import Lock
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import Depends, FastAPI

from tollhouse import Caller, Tollhouse
from tollhouse.access.api_keys import ApiKey
from tollhouse.testing import TestKit, make_settings


class RsaKeys:
    """RSA keys that are found once and dealt to every test anew, in the same order: no test gets one twice."""

    def __init__(self) -> None:
        self._find, self._found = rsa.generate_private_key, defaultdict[int, list[rsa.RSAPrivateKey]](list)
        self._lock = Lock()  # keys are found in threads

    def deal(self) -> Callable[..., rsa.RSAPrivateKey]:
        """What stands in for `generate_private_key` during a test."""
        dealt = Counter[int]()

        def generate(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
            with self._lock:
                found = self._found[key_size]
                if dealt[key_size] == len(found):
                    found.append(self._find(public_exponent, key_size))
                dealt[key_size] += 1
                return found[dealt[key_size] - 1]

        return generate


@pytest.fixture(scope="session")
def rsa_keys() -> RsaKeys:
    """Those of this process."""
    return RsaKeys()


@pytest.fixture(autouse=True)
def _known_rsa_keys(rsa_keys: RsaKeys, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes a tenth of a second to find, and 600 tests want one."""
    monkeypatch.setattr(rsa, "generate_private_key", rsa_keys.deal())


def make_app(**settings: Any) -> tuple[FastAPI, Tollhouse]:
    """A host's application: routes for callers, for whoever is signed in, for a scope and for a server's key."""
    toll = Tollhouse(make_settings(**settings))
    app = FastAPI()
    toll.install(app)
    reads_reports, starts_jobs = toll.scope("reports:read"), toll.api_key("jobs:start")

    @app.get("/notes")
    async def notes(caller: Caller = Depends(toll.caller)) -> dict[str, Any]:
        return {"user_id": caller.user_id, "email": caller.email, "scopes": sorted(caller.scopes)}

    @app.post("/mine")
    async def add_mine(user: Caller = Depends(toll.user)) -> str:
        return user.user_id

    @app.get("/mine")
    async def mine(user: Caller = Depends(toll.user)) -> dict[str, Any]:
        return {"user_id": user.user_id, "email": user.email, "session_id": user.session_id}

    @app.get("/reports")
    async def reports(caller: Caller = Depends(reads_reports)) -> str:
        return caller.user_id

    @app.post("/jobs")
    async def jobs(key: ApiKey = Depends(starts_jobs)) -> str:
        return key.name

    return app, toll


@pytest.fixture
async def kit(migrated_database_url: str) -> AsyncIterator[TestKit]:
    """The application, running on a database of the test's own."""
    app, toll = make_app()
    async with TestKit(app=app, toll=toll, database_url=migrated_database_url) as running:
        yield running


def bearer(token: str) -> dict[str, str]:
    """The header that a token travels in."""
    return {"authorization": f"Bearer {token}"}
