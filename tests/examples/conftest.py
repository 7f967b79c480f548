"""The Next.js example beside a running product, and one Chromium."""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.people import Browsers, Watch, new_address
from tests.browser.product import Product
from tests.support.children import free_port
from tests.support.chromium import launched
from tests.support.nextjs import built_example, start_example
from tests.support.processes import Process, spawn

SECRET = "of-this-test-and-of-nothing-else-at-all"
CLIENT = {"id": "nextjs-example", "name": "Next.js example", "secret": SECRET}
WEBHOOK_SECRET = "whsec_" + base64.b64encode(b"of this test and of nothing else").decode()
WEBHOOK_SECRET_BEFORE = "whsec_" + base64.b64encode(b"of this test and rolled since then").decode()
EVENT_TYPES = (
    *("user.created", "user.erased", "payment.succeeded", "payment.refunded"),
    *("credits.granted", "subscription.updated", "subscription.ended"),
)
# The example exchanges a token 30 seconds before it ends.
TOKEN_SECONDS = 33
DUE_SECONDS = 3.2


@dataclass(frozen=True)
class App:
    """The running example."""

    url: str
    process: Process
    payments_file: Path


class StartApp(Protocol):
    """Starts the example at a URL, with Tollhouse at another; people know it by `public_url` where that differs."""

    def __call__(self, url: str, tollhouse: str, *, public_url: str | None = None) -> App: ...


@pytest.fixture(scope="package")
def app_url() -> str:
    """Where the example will be."""
    return f"http://localhost:{free_port()}"


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def product(app_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    """A running `tollhouse dev` that knows the example as its client."""
    folder = tmp_path_factory.mktemp("product")
    client = CLIENT | {
        "redirect_uris": [f"{app_url}/api/auth/callback/tollhouse"],
        "sign_out_uris": [f"{app_url}/"],
        "refresh_grace_seconds": 10,
    }
    endpoint = {
        "name": "app",
        "url": f"{app_url}/api/payments/webhook",
        "secret": WEBHOOK_SECRET,
        "event_types": EVENT_TYPES,
    }
    env = {
        "TOLLHOUSE_APP_ORIGINS": app_url,
        "TOLLHOUSE_BRAND_NAME": "Harbour Notes",
        "TOLLHOUSE_CLIENTS": json.dumps([client]),
        "TOLLHOUSE_ENDPOINTS": json.dumps([endpoint]),
        "TOLLHOUSE_ACCESS_TOKEN_LIFETIME_SECONDS": str(TOKEN_SECONDS),
    }
    with spawn(["dev", "--port", "{port}", "--data", str(folder / "data")], env, folder=folder) as process:
        await process.answers("/health/ready")
        async with httpx.AsyncClient(base_url=process.url, trust_env=False) as http:
            yield Product(f"http://localhost:{process.port}", http, data=folder / "data")


@pytest.fixture(scope="package")
def example() -> Iterator[Path]:
    """The folder of the built example."""
    with built_example() as folder:
        yield folder


@pytest.fixture(scope="package")
def start_app(example: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartApp]:
    """Starts the example, each in a process of its own."""
    folder, started = tmp_path_factory.mktemp("nextjs"), list[App]()

    def start(url: str, tollhouse: str, *, public_url: str | None = None) -> App:
        port = int(url.rpartition(":")[2])
        payments_file = folder / str(port) / "payments.json"
        env = settings_of(public_url or url, tollhouse, payments_file) | {"NEXTAUTH_URL_INTERNAL": url}
        started.append(App(url, start_example(example, env, folder=folder, port=port), payments_file))
        return started[-1]

    yield start
    for each in started:
        each.process.kill()  # asked politely, it waits for the browsers' idle connections


@pytest.fixture(scope="package")
def offline_app(app_url: str, start_app: StartApp) -> App:
    """The example once more, for the same browsers, where Tollhouse cannot be reached."""
    return start_app(f"http://localhost:{free_port()}", f"http://localhost:{free_port()}", public_url=app_url)


def settings_of(url: str, tollhouse: str, payments_file: Path) -> dict[str, str]:
    """What the example's README asks for."""
    return {
        "NEXTAUTH_URL": url,
        "NEXTAUTH_SECRET": SECRET,
        "TOLLHOUSE_URL": tollhouse,
        "OIDC_CLIENT_ID": CLIENT["id"],
        "OIDC_CLIENT_SECRET": CLIENT["secret"],
        "TOLLHOUSE_WEBHOOK_SECRET": f"{WEBHOOK_SECRET}, {WEBHOOK_SECRET_BEFORE}",
        "PAYMENTS_FILE": str(payments_file),
    }


@pytest.fixture(scope="package")
def app(app_url: str, product: Product, start_app: StartApp) -> App:
    """The example, with the product as its provider."""
    return start_app(app_url, product.url)


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def chromium(chromium_path: str) -> AsyncIterator[Browser]:
    """One Chromium for all."""
    async with launched(chromium_path) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="package")
async def browsers(chromium: Browser) -> AsyncIterator[Browsers]:
    """Browsers that nobody is signed in with; what their consoles complain of fails the test."""
    watch = Watch()
    shelf = Browsers(chromium, watch)
    yield shelf
    await shelf.wash()
    assert not watch.complaints


@pytest.fixture
def alice() -> str:
    """Alice's address, new in every test."""
    return new_address("alice")


@pytest.fixture
def bob() -> str:
    """Bob's address, new in every test."""
    return new_address("bob")
