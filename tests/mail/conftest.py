from __future__ import annotations

from collections.abc import AsyncGenerator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
import pytest_asyncio

from tests.mail.samples import SENDER, Connect, Start
from tests.mail.server import USER, Certificates, PostOffice, make_certificates
from tollhouse.mail.smtp import SmtpLimits, SmtpSettings, SmtpTransport


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest_asyncio.fixture
async def start() -> AsyncGenerator[Start]:
    """Starts post offices, and stops them after the test."""
    started: list[PostOffice] = []

    async def start_one(**options: Any) -> PostOffice:
        started.append(await PostOffice(**options).start())
        return started[-1]

    yield start_one
    for office in started:
        await office.stop()


@pytest_asyncio.fixture
async def connect(certificates: Certificates) -> AsyncGenerator[Connect]:
    """Makes transports, and closes them after the test."""
    made: list[SmtpTransport] = []

    def connect_one(
        port: int,
        scheme: str = "smtp",
        *,
        host: str = "localhost",
        password: str | None = None,
        trusted: bool = True,
        timeout_seconds: float | None = None,
        **limits: Any,
    ) -> SmtpTransport:
        login = f"{USER}:{quote(password, safe='')}@" if password else ""
        ca = f"?ca_file={certificates.ca_file}" if scheme != "smtp" and trusted else ""
        settings = SmtpSettings.parse(f"{scheme}://{login}{host}:{port}{ca}")
        if timeout_seconds is not None:
            settings = replace(settings, timeout_seconds=timeout_seconds)
        made.append(SmtpTransport(settings, SENDER, limits=SmtpLimits(**limits)))
        return made[-1]

    yield connect_one
    for transport in made:
        await transport.close()
