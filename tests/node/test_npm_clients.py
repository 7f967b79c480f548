"""Two OpenID Connect clients of npm, through the whole flow against a running `tollhouse dev`."""

from __future__ import annotations

import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.node import find_packages, run_node
from tests.support.processes import Process, spawn

HERE = Path(__file__).parent
SECONDS_MAX = 120
SECRET = "npm+needs%20this-encoded:0123456789&ABCDEF"
REDIRECT_URI = "https://app.example.com/api/auth/callback/tollhouse"
SIGN_OUT_URI = "http://localhost:3000/bye"
CONFIGURATION = f"""
[[clients]]
id = "web"
name = "Web"
secret = '{SECRET}'
redirect_uris = ["{REDIRECT_URI}"]
sign_out_uris = ["{SIGN_OUT_URI}"]

[[clients]]
id = "phone"
name = "Phone"
redirect_uris = ["{REDIRECT_URI}"]
sign_out_uris = ["{SIGN_OUT_URI}"]
"""

pytestmark = [pytest.mark.slow, pytest.mark.unmeasured, pytest.mark.asyncio(loop_scope="module")]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the scripts and what the lock file names; that is kept between runs, outside of the checkout."""
    folder = tmp_path_factory.mktemp("npm")
    for script in HERE.glob("*.mjs"):
        shutil.copy(script, folder)
    (folder / "node_modules").symlink_to(find_packages(HERE))
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def provider(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Process]:
    """A running `tollhouse dev` with two clients."""
    folder = tmp_path_factory.mktemp("provider")
    (folder / "tollhouse.toml").write_text(CONFIGURATION)
    with spawn(["dev", "--port", "{port}", "--data", str(folder / "data")], {}, folder=folder) as process:
        yield await process.answers("/health/ready")


@pytest.mark.parametrize("way", ["basic", "post", "none"])
@pytest.mark.parametrize("library", ["oauth4webapi", "openid-client"])
async def test_a_client_of_npm_goes_the_whole_way(provider: Process, installed: Path, library: str, way: str) -> None:
    given = {
        "url": f"http://localhost:{provider.port}",
        "id": "phone" if way == "none" else "web",
        "secret": None if way == "none" else SECRET,
        "way": way,
        "redirectUri": REDIRECT_URI,
        "signOutUri": SIGN_OUT_URI,
    }
    told = json.loads(run_node(f"{library}.mjs", json.dumps(given), folder=installed, seconds_max=SECONDS_MAX))
    assert told == {
        "email": True,
        "again": True,
        "error": "invalid_grant",
        "wasSignedIn": True,
        "left": True,
        "isSignedIn": False,
    }
