"""The OpenAPI document: every route a program may call, with examples; in development only."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.pages.routes import routes_of
from tollhouse.testing import TestKit

PUBLIC = {
    ("POST", "/auth/magic-links"),
    ("POST", "/auth/callback/preview"),
    ("POST", "/auth/callback"),
    ("POST", "/auth/code"),
    ("GET", "/auth/session"),
    ("GET", "/auth/sessions"),
    ("DELETE", "/auth/sessions/{id}"),
    ("DELETE", "/auth/sessions"),
    ("POST", "/auth/sign-out"),
    ("POST", "/auth/token"),
    ("GET", "/auth/whoami"),
    ("GET", "/.well-known/jwks.json"),
    ("GET", "/.well-known/openid-configuration"),
    ("GET", "/.well-known/oauth-authorization-server"),
    ("GET", "/oauth/authorize"),
    ("POST", "/oauth/token"),
    ("GET", "/oauth/userinfo"),
    ("POST", "/oauth/userinfo"),
    ("POST", "/oauth/revoke"),
    ("GET", "/oauth/sign-out"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
}
# For people and their forms, for Prometheus, and the document itself.
UNLISTED = {
    ("GET", "/auth/sign-in"),
    ("POST", "/auth/magic-links/again"),
    ("GET", "/auth/check-your-email"),
    ("GET", "/auth/callback{anything:path}"),
    ("GET", "/auth/signed-out"),
    ("GET", "/auth/static/{name}"),
    ("GET", "/account"),
    ("GET", "/account/delete"),
    ("POST", "/account/delete"),
    ("POST", "/account/sessions/end-others"),
    ("POST", "/account/sessions/{id}/end"),
    ("POST", "/oauth/authorize"),
    ("POST", "/oauth/sign-out"),
    ("GET", "/metrics"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/docs/oauth2-redirect"),
}


@pytest.fixture
def app():
    """Tollhouse as `tollhouse dev` has it; nothing needs to run for its document."""
    return TestKit(mode="dev", url="http://localhost:8000").app


def operations(app) -> dict[tuple[str, str], dict[str, Any]]:
    paths = app.openapi()["paths"]
    return {(method.upper(), path): each for path, item in paths.items() for method, each in item.items()}


def test_every_public_route_is_in_the_document(app):
    assert set(operations(app)) == PUBLIC


def test_every_other_route_is_left_out_knowingly(app):
    assert routes_of(app) - PUBLIC == UNLISTED


def test_every_operation_says_what_it_does_and_what_can_go_wrong(app):
    for key, each in operations(app).items():
        assert each["summary"], key
        assert each["description"], key
        assert each["tags"], key
        assert "422" not in each["responses"] or "application/problem+json" in each["responses"]["422"]["content"], key


def test_every_body_has_an_example(app):
    document = app.openapi()
    for key, each in operations(app).items():
        for place, media in contents(each):
            assert has_example(media, document), f"{key} {place}"


def contents(operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        yield f"request {kind}", media
    for status, response in operation["responses"].items():
        for kind, media in response.get("content", {}).items():
            yield f"{status} {kind}", media


def has_example(media: dict[str, Any], document: dict[str, Any]) -> bool:
    """Whether it, its schema, or each property of its schema that can have one brings an example."""
    if media.get("examples") or "example" in media:
        return True
    return schema_has_example(media.get("schema", {}), document)


def schema_has_example(schema: dict[str, Any], document: dict[str, Any]) -> bool:
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
    if schema.get("examples") or schema.get("type") == "boolean":
        return True
    if schema.get("type") == "array":
        return schema_has_example(schema["items"], document)
    properties = schema.get("properties")
    return bool(properties) and all(schema_has_example(each, document) for each in properties.values())


def test_a_request_without_form_or_json_is_not_promised(app):
    for key, each in operations(app).items():
        if "requestBody" in each:
            kinds = set(each["requestBody"]["content"])
            json = set() if key[1].startswith("/oauth/") else {"application/json"}  # OAuth's bodies are forms
            assert kinds == {"application/x-www-form-urlencoded"} | json, key


async def test_the_document_is_served_in_development_alone():
    for mode, url, status in (("dev", "http://localhost:8000", 200), ("serve", "https://toll.example.com", 404)):
        async with TestKit(mode=mode, url=url) as kit:
            for path in ("/openapi.json", "/docs"):
                assert (await kit.new_browser().get(path)).status_code == status
