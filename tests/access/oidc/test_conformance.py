"""The OpenID Foundation's plan for a basic provider: each of its modules is one of our tests, or has a reason why not.

Their suite drives a browser and needs a JVM and a database of its own, so what each module wants is asked here by ours.
"""

from __future__ import annotations

import importlib
import json
from typing import Any

import pytest

from tests.access.oidc.relying_party import URL, App, answer_of, claims_of
from tests.support.testdata import require_testdata
from tollhouse.testing import SignedInClient, TestKit

MODULES = json.loads((require_testdata("security", "oidc") / "op_basic_modules.json").read_text(encoding="utf-8"))[
    "cases"
]
HERE = "test_conformance.test_a_request_with_what_means_nothing_to_us_succeeds"

COVERED = {
    "oidcc-alternate-happy-flow": "test_conformance.test_the_order_of_scopes_and_parameters_does_not_matter",
    "oidcc-codereuse": "test_code_exchange.test_a_code_works_once",
    "oidcc-codereuse-30seconds": "test_code_exchange.test_a_second_use_ends_what_the_first_was_given",
    "oidcc-claims-essential": HERE,
    "oidcc-claims-locales": HERE,
    "oidcc-display-page": HERE,
    "oidcc-display-popup": HERE,
    "oidcc-ensure-post-request-succeeds": (
        "test_authorization_requests.test_a_post_of_the_app_becomes_a_get_that_brings_the_cookie"
    ),
    "oidcc-ensure-registered-redirect-uri": (
        "test_authorization_requests.test_an_address_that_is_not_registered_is_never_gone_to"
    ),
    "oidcc-ensure-request-object-with-redirect-uri": (
        "test_authorization_requests.test_the_app_hears_of_everything_else"
    ),
    "oidcc-ensure-request-with-acr-values-succeeds": HERE,
    "oidcc-ensure-request-with-unknown-parameter-succeeds": HERE,
    "oidcc-ensure-request-with-valid-pkce-succeeds": "test_code_flow.test_whoever_is_signed_in_comes_back_at_once",
    "oidcc-ensure-request-without-nonce-succeeds-for-code-flow": HERE,
    "oidcc-id-token-hint": "test_signing_in_again.test_an_id_token_hint_names_who_it_must_be",
    "oidcc-idtoken-signature": "test_conformance.test_the_id_token_is_signed_by_a_published_rsa_key",
    "oidcc-login-hint": "test_login_hint.test_the_app_s_own_field_is_enough",
    "oidcc-max-age-1": "test_signing_in_again.test_a_fresh_sign_in_is_had_when_wanted",
    "oidcc-max-age-10000": "test_signing_in_again.test_the_session_does_otherwise",
    "oidcc-prompt-login": "test_signing_in_again.test_a_fresh_sign_in_is_had_when_wanted",
    "oidcc-prompt-none-logged-in": "test_signing_in_again.test_the_session_does_otherwise",
    "oidcc-prompt-none-not-logged-in": "test_signing_in_again.test_silently_nobody_is_asked_to_sign_in",
    "oidcc-refresh-token": "test_refresh_tokens.test_each_token_gives_the_next",
    "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported": (
        "test_authorization_requests.test_the_app_hears_of_everything_else"
    ),
    "oidcc-response-type-missing": "test_authorization_requests.test_the_app_hears_of_everything_else",
    "oidcc-scope-all": HERE,
    "oidcc-scope-email": "test_ending.test_who_it_is_by_get_and_by_post",
    "oidcc-scope-profile": HERE,
    "oidcc-server": "test_code_flow.test_a_stranger_signs_in_and_comes_back_with_a_code",
    "oidcc-server-client-secret-post": (
        "test_client_authentication.test_the_secret_comes_in_the_header_or_in_the_body"
    ),
    "oidcc-ui-locales": HERE,
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported": (
        "test_authorization_requests.test_the_app_hears_of_everything_else"
    ),
    "oidcc-userinfo-get": "test_ending.test_who_it_is_by_get_and_by_post",
    "oidcc-userinfo-post-header": "test_ending.test_who_it_is_by_get_and_by_post",
    "oidcc-discovery-endpoint-verification": "test_code_flow.test_the_provider_says_what_it_can_do",
}
NOT_OURS = {
    "oidcc-idtoken-unsigned": "an unsigned ID token proves nothing, and no client can ask for one",
    "oidcc-scope-address": "we know nobody's address, so discovery does not offer the scope (ignored: oidcc-scope-all)",
    "oidcc-scope-phone": "we know nobody's telephone, so discovery does not offer the scope (ignored: oidcc-scope-all)",
    "oidcc-userinfo-post-body": "RFC 6750, 2.2 is not required, and RFC 9700 prefers the header: the one way is enough",
}


@pytest.mark.parametrize("module", [case["module"] for case in MODULES])
def test_each_module_has_its_test_or_its_reason(module: str) -> None:
    assert (module in COVERED) != (module in NOT_OURS)
    if module in COVERED:
        where, _, name = COVERED[module].partition(".")
        assert callable(getattr(importlib.import_module(f"tests.access.oidc.{where}"), name))


def test_no_module_is_made_up() -> None:
    assert {*COVERED, *NOT_OURS} == {case["module"] for case in MODULES}


@pytest.fixture
async def alice(kit: TestKit) -> SignedInClient:
    """Alice, signed in."""
    return await kit.sign_in("alice@example.com")


@pytest.mark.parametrize(
    "other",
    [
        {"claims": '{"userinfo":{"name":{"essential":true}}}'},
        {"claims_locales": "se"},
        {"display": "page"},
        {"display": "popup"},
        {"acr_values": "1 2"},
        {"extra": "foobar"},
        {"nonce": None},
        {"ui_locales": "se"},
        {"scope": "openid profile"},
        {"scope": "openid profile email address phone"},
    ],
    ids=str,
)
async def test_a_request_with_what_means_nothing_to_us_succeeds(
    app: App, alice: SignedInClient, other: dict[str, Any]
) -> None:
    tokens = await app.tokens(alice, **other)
    claims = claims_of(tokens["id_token"])
    assert claims["sub"] == alice.user_id
    assert ("nonce" in claims) is ("nonce" not in other)
    told = (await app.userinfo(tokens["access_token"])).json()
    assert set(told) == ({"sub", "email", "email_verified"} if "email" in tokens["scope"] else {"sub"})


async def test_the_order_of_scopes_and_parameters_does_not_matter(app: App, alice: SignedInClient) -> None:
    parameters = dict(reversed(app.parameters(scope="email profile openid").items()))
    told = answer_of(await alice.get("/oauth/authorize", params=parameters))
    assert claims_of((await app.redeem(told["code"])).json()["id_token"])["email"] == "alice@example.com"


async def test_the_id_token_is_signed_by_a_published_rsa_key(kit: TestKit, app: App, alice: SignedInClient) -> None:
    from joserfc import jwt
    from joserfc.jwk import KeySet

    token = (await app.tokens(alice))["id_token"]
    published = KeySet.import_key_set((await kit.new_browser().get("/.well-known/jwks.json")).json())
    read = jwt.decode(token, published, algorithms=["RS256"])
    assert read.header["alg"] == "RS256"
    assert read.claims["iss"] == URL
