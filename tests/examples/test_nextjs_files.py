"""The example's files agree with each other, with its guide, and with what Tollhouse takes."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from tests.support.nextjs import EXAMPLE, LOCK
from tollhouse.access.oidc.errors import ClientUnknown, RedirectUriInvalid
from tollhouse.settings_structures import ClientSettings, EndpointSettings

from .conftest import EVENT_TYPES

GUIDE = EXAMPLE.parents[1] / "docs" / "nextauth.md"
EXACT = re.compile(r"\d+\.\d+\.\d+")


def client_in(toml: str) -> ClientSettings:
    (client,) = tomllib.loads(toml)["clients"]
    return ClientSettings(**client)


def environment() -> dict[str, str]:
    lines = (EXAMPLE / ".env.development").read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def package() -> dict[str, Any]:
    return json.loads((EXAMPLE / "package.json").read_text())


def test_what_is_registered_is_what_the_app_uses() -> None:
    client, env = client_in((EXAMPLE / "tollhouse.toml").read_text()), environment()
    assert (client.id, client.secret) == (env["OIDC_CLIENT_ID"], env["OIDC_CLIENT_SECRET"])
    assert client.redirect_uris == (env["NEXTAUTH_URL"] + "/api/auth/callback/tollhouse",)
    assert client.sign_out_uris == (env["NEXTAUTH_URL"] + "/",)


def test_the_endpoint_that_is_registered_is_the_route_of_the_app() -> None:
    (given,), env = tomllib.loads((EXAMPLE / "tollhouse.toml").read_text())["endpoints"], environment()
    endpoint = EndpointSettings(**given)
    path = endpoint.url.removeprefix(env["NEXTAUTH_URL"])
    assert (EXAMPLE / "app" / path.lstrip("/") / "route.ts").is_file()
    assert endpoint.secret == (env["TOLLHOUSE_WEBHOOK_SECRET"],)
    assert 24 <= len(base64.b64decode(endpoint.secret[0].removeprefix("whsec_"), validate=True)) <= 64
    read = re.findall(r'Told<"([\w.]+)"', (EXAMPLE / "payments" / "events.ts").read_text())
    assert sorted(endpoint.event_types) == sorted(read) == sorted(EVENT_TYPES)


def test_every_setting_is_in_the_readme() -> None:
    used = re.findall(r'"([A-Z]+_\w+)"', (EXAMPLE / "auth" / "settings.ts").read_text())
    readme = (EXAMPLE / "README.md").read_text()
    assert len(used) == 6
    assert not [name for name in {*used, *environment(), "NEXTAUTH_URL_INTERNAL"} if f"`{name}`" not in readme]


def test_every_file_that_the_readme_names_is_there() -> None:
    named = re.findall(r"`((?:app|auth|payments)/[\w./-]+|proxy\.ts)`", (EXAMPLE / "README.md").read_text())
    assert len(named) >= 10
    assert not [name for name in named if not (EXAMPLE / name).is_file()]


def test_versions_are_pinned_exactly_and_the_lock_names_no_registry() -> None:
    pins = package()["dependencies"] | package()["devDependencies"]
    locked = json.loads(LOCK.read_text())["packages"]
    assert all(EXACT.fullmatch(version) for version in pins.values())
    assert {name: locked[f"node_modules/{name}"]["version"] for name in pins} == pins
    assert not [name for name, entry in locked.items() if "resolved" in entry]
    assert not [name for name, entry in locked.items() if name and "integrity" not in entry]


def test_the_guide_says_what_tollhouse_says() -> None:
    guide = GUIDE.read_text()
    (registration,) = re.findall(r"^```toml\n(.*?)^```$", guide, re.MULTILINE | re.DOTALL)
    assert client_in(registration.replace("change-me", "0123456789abcdef" * 4)).refresh_grace_seconds == 10
    with pytest.raises(ValidationError, match="at least 32 characters"):
        client_in(registration)  # what is copied as it stands does not start
    quoted = re.findall(r'says that the app "([^"]+)"', guide)
    messages = f"{RedirectUriInvalid.__doc__} {ClientUnknown.__doc__}"
    assert len(quoted) == 2
    assert all(words in messages for words in quoted)


def test_the_guide_shows_the_provider_as_the_example_has_it() -> None:
    options = (EXAMPLE / "auth" / "options.ts").read_text()
    for line in (
        'type: "oauth"',
        'scope: "openid email offline_access"',
        "idToken: true",
        'checks: ["pkce", "state", "nonce"]',
    ):
        assert line in options
        assert line in GUIDE.read_text()
    assert f"`next-auth` {package()['dependencies']['next-auth']}" in GUIDE.read_text()
