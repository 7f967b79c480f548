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
    ("GET", "/credits"),
    ("GET", "/credits/entries"),
    ("GET", "/api/users/{id}/credits"),
    ("POST", "/api/users/{id}/credits/grants"),
    ("POST", "/api/users/{id}/credits/spends"),
    ("POST", "/api/users/{id}/credits/holds"),
    ("POST", "/api/credits/holds/{id}/capture"),
    ("POST", "/api/credits/holds/{id}/release"),
    ("GET", "/events/schema.json"),
    ("GET", "/api/events/{id}"),
    ("POST", "/api/events/{id}/applied"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
}
PUBLIC_WITH_A_TILL = {
    ("GET", "/billing/products"),
    ("POST", "/stripe/checkout"),
    ("POST", "/stripe/portal"),
    ("POST", "/stripe/webhook"),
    ("GET", "/billing/return/status"),
    ("GET", "/billing/purchases"),
    ("GET", "/billing/purchases/{id}"),
    ("GET", "/billing/subscription"),
    ("GET", "/billing/entitlements"),
    ("GET", "/api/users/{id}"),
    ("GET", "/api/users/{id}/entitlements"),
    ("GET", "/api/users/{id}/entitlements/{feature}/why"),
    ("GET", "/api/users/{id}/credits/why"),
}
# For people and their forms, for Prometheus, and the document itself.
UNLISTED = {
    ("GET", "/auth/sign-in"),
    ("POST", "/auth/magic-links/again"),
    ("GET", "/auth/check-your-email"),
    ("GET", "/auth/callback{anything}"),
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
UNLISTED_WITH_A_TILL = {
    ("GET", "/billing/pricing"),
    ("GET", "/billing/credits"),
    ("GET", "/billing/return"),
    ("POST", "/billing/checkout"),
    ("POST", "/billing/portal"),
    ("GET", "/account/billing"),
}


@pytest.fixture
def app():
    """Tollhouse as `tollhouse dev` has it; nothing needs to run for its document."""
    return dev_app(stripe=True)


def dev_app(*, stripe: bool):
    return TestKit(mode="dev", url="http://localhost:8000", stripe=stripe).app


def operations(app) -> dict[tuple[str, str], dict[str, Any]]:
    paths = app.openapi()["paths"]
    return {(method.upper(), path): each for path, item in paths.items() for method, each in item.items()}


def test_every_public_route_is_in_the_document(app):
    assert set(operations(app)) == PUBLIC | PUBLIC_WITH_A_TILL


def test_every_other_route_is_left_out_knowingly(app):
    routes = {(method, path.replace(":path}", "}")) for method, path in routes_of(app)}
    assert routes - PUBLIC - PUBLIC_WITH_A_TILL == UNLISTED | UNLISTED_WITH_A_TILL


def test_a_gate_alone_has_nothing_of_the_till():
    assert set(operations(dev_app(stripe=False))) == PUBLIC


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
    if "anyOf" in schema:
        return any(schema_has_example(each, document) for each in schema["anyOf"])
    properties = schema.get("properties")
    return bool(properties) and all(schema_has_example(each, document) for each in properties.values())


def test_a_request_without_form_or_json_is_not_promised(app):
    for key, each in operations(app).items():
        if "requestBody" in each:
            kinds = set(each["requestBody"]["content"])
            assert kinds == kinds_of(key[1]), key


def kinds_of(path: str) -> set[str]:
    if path.startswith(("/api/", "/stripe/")):  # for programs: the pages' forms have routes of their own
        return {"application/json"}
    json = set() if path.startswith("/oauth/") else {"application/json"}  # OAuth's bodies are forms
    return {"application/x-www-form-urlencoded"} | json


async def test_the_document_is_served_in_development_alone():
    for mode, url, status in (("dev", "http://localhost:8000", 200), ("serve", "https://toll.example.com", 404)):
        async with TestKit(mode=mode, url=url) as kit:
            for path in ("/openapi.json", "/docs"):
                assert (await kit.new_browser().get(path)).status_code == status
