"""One server and one Chromium for all browser tests; each test has browsers of its own inside it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import Browser, ViewportSize

from tests.support.chromium import launched
from tests.support.processes import spawn

from .neighbour import Neighbour
from .people import PHONE, Browsers, Watch, new_address
from .product import Product


@pytest.fixture(scope="package")
def neighbour() -> Iterator[Neighbour]:
    """An app beside the product, on an origin that the product knows."""
    with Neighbour() as neighbour:
        yield neighbour


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def product(neighbour: Neighbour, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Product]:
    """A running `tollhouse dev`."""
    folder = tmp_path_factory.mktemp("product")
    env = {"TOLLHOUSE_APP_ORIGINS": neighbour.url, "TOLLHOUSE_BRAND_NAME": "Harbour Notes"}
    with spawn(["dev", "--port", "{port}", "--data", str(folder / "data")], env, folder=folder) as process:
        await process.answers("/health/ready")
        url = f"http://localhost:{process.port}"
        async with httpx.AsyncClient(base_url=process.url, trust_env=False) as client:
            yield Product(url, client, data=folder / "data")


@pytest_asyncio.fixture(scope="package", loop_scope="package")
async def chromium(chromium_path: str) -> AsyncIterator[Browser]:
    """One Chromium for all."""
    async with launched(chromium_path) as browser:
        yield browser


@pytest.fixture
def screen(request: pytest.FixtureRequest) -> ViewportSize:
    """A phone's screen; `ON_BOTH_SCREENS` makes it a desktop's in a second run of the test."""
    return getattr(request, "param", PHONE)


@pytest.fixture(scope="package")
def ears() -> Watch:
    """Hears every browser of these tests."""
    return Watch()


@pytest.fixture
def watch(ears: Watch) -> Iterator[Watch]:
    """Hears the browsers of the test; what their consoles complain of fails it."""
    ears.complaints.clear()
    yield ears
    assert not ears.complaints


@pytest.fixture(scope="package")
def shelf(chromium: Browser, ears: Watch) -> Browsers:
    """Where browsers come from."""
    return Browsers(chromium, ears)


@pytest_asyncio.fixture(loop_scope="package")
async def browsers(shelf: Browsers, watch: Watch, screen: ViewportSize) -> AsyncIterator[Browsers]:
    """Browsers with the test's screen."""
    shelf.viewport = screen
    yield shelf
    await shelf.wash()


@pytest.fixture
def alice() -> str:
    """Alice's address, new in every test."""
    return new_address("alice")


@pytest.fixture
def bob() -> str:
    """Bob's address, new in every test."""
    return new_address("bob")
