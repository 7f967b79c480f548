"""A token counts if it is meant for us, now, and names somebody."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.access.forging import ES, ISSUER, NOW, RS, StillClock, claims, finish, verifier_of
from tollhouse.access.callers import Caller
from tollhouse.access.errors import TokenExpired, TokenInvalid
from tollhouse.access.issuers import Issuer, auth0, clerk, google, supabase
from tollhouse.clock import SECOND

PARTY = "https://app.example.com"


def verify(payload: Any, *, issuer: Issuer = ISSUER, at: float = NOW, **header: Any) -> Caller:
    clock = StillClock()
    clock.us = round(at * SECOND)
    return finish(verifier_of(RS, ES, issuer=issuer, clock=clock).verify(RS.sign(payload, **header)))


def refused(payload: Any, **how: Any) -> str:
    with pytest.raises(TokenInvalid) as caught:
        verify(payload, **how)
    assert caught.value.evidence == {}
    return caught.value.reason


def test_a_good_token_names_its_caller() -> None:
    caller = verify(claims(sid="s-1", email="alice@example.com", scope="read  write", extra={"a": [1]}))
    assert caller.user_id == "https://issuer.example.com#alice"
    assert caller.email == "alice@example.com"
    assert caller.issuer == "https://issuer.example.com"
    assert caller.session_id == "s-1"
    assert caller.scopes == {"read", "write"}
    assert caller.claims["extra"] == {"a": [1]}
    with pytest.raises(TypeError):
        caller.claims["sub"] = "mallory"  # type: ignore[index]
    bare = verify(claims())
    assert (bare.email, bare.session_id, bare.scopes) == (None, None, frozenset())


@pytest.mark.parametrize("leeway", [0, 30])
def test_a_token_ends_to_the_microsecond(leeway: int) -> None:
    issuer = replace(ISSUER, leeway_seconds=leeway)
    ends = NOW + 600 + leeway
    assert verify(claims(), issuer=issuer, at=ends - 1e-6)
    for at in (ends, ends + 1e-6, ends + 10_000_000):
        with pytest.raises(TokenExpired):
            verify(claims(), issuer=issuer, at=at)


@pytest.mark.parametrize("name", ["nbf", "iat"])
def test_half_a_minute_into_the_future_is_a_clock_and_more_is_not(name: str) -> None:
    assert verify(claims(**{name: NOW + 30}))
    assert refused(claims(**{name: NOW + 31})) == f"{name}_in_the_future"
    assert refused(claims(**{name: NOW + 30.001})) == f"{name}_in_the_future"


def test_a_time_may_have_fractions() -> None:
    assert verify(claims(exp=NOW + 0.5, iat=NOW - 0.5), at=NOW + 30.4)
    with pytest.raises(TokenExpired):
        verify(claims(exp=NOW + 0.5), at=NOW + 30.5)


@pytest.mark.parametrize("value", [True, "1900000600", "never", [NOW], {}, -1, 1e300, 10**30, 253_402_300_800])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_is_a_number_of_seconds(name: str, value: Any) -> None:
    assert refused(claims(**{name: value})) == f"{name}_malformed"


def test_a_token_without_an_end_is_refused() -> None:
    assert refused(claims(exp=None)) == "exp_malformed"
    assert (
        refused(b'{"iss":"https://issuer.example.com","aud":"https://api.example.com","sub":"a","exp":null}')
        == "exp_malformed"
    )


@pytest.mark.parametrize(
    "issuer",
    [
        "https://issuer.example.com/",
        "https://ISSUER.example.com",
        "http://issuer.example.com",
        "issuer.example.com",
        "https://issuer.example.com\0",
        "",
        None,
        7,
        ["https://issuer.example.com"],
    ],
)
def test_the_issuer_is_exact(issuer: Any) -> None:
    assert refused(claims(iss=issuer)) == "issuer_unknown"


def test_one_audience_must_be_ours() -> None:
    assert verify(claims(aud=["https://other.example", "https://api.example.com"]))
    assert refused(claims(aud="https://other.example")) == "aud_wrong"
    assert refused(claims(aud="https://api.example.com/")) == "aud_wrong"
    assert refused(claims(aud="https://api.example.com https://other.example")) == "aud_wrong"
    assert refused(claims(aud=[])) == "aud_wrong"
    assert refused(claims(aud=None)) == "aud_missing"
    for value in (
        7,
        True,
        {"https://api.example.com": 1},
        ["https://api.example.com", 7],
        [["https://api.example.com"]],
    ):
        assert refused(claims(aud=value)) == "aud_malformed"


def test_a_token_for_an_audience_is_refused_where_none_is_ours() -> None:
    issuer = replace(ISSUER, audiences=(), authorized_parties=(PARTY,))
    assert verify(claims(aud=None, azp=PARTY), issuer=issuer)
    assert refused(claims(azp=PARTY), issuer=issuer) == "aud_wrong"
    assert refused(claims(azp=PARTY, aud=[]), issuer=issuer) == "aud_wrong"
    assert (
        refused(
            b'{"iss":"https://issuer.example.com","azp":"https://app.example.com","sub":"a","exp":1900000600,"aud":null}',
            issuer=issuer,
        )
        == "aud_malformed"
    )


def test_the_party_must_be_ours_and_be_there() -> None:
    issuer = replace(ISSUER, authorized_parties=(PARTY, "http://localhost:3000"))
    assert verify(claims(azp=PARTY), issuer=issuer)
    assert refused(claims(), issuer=issuer) == "azp_missing"
    assert refused(claims(azp="https://mallory.example"), issuer=issuer) == "azp_wrong"
    assert refused(claims(azp=PARTY + "/"), issuer=issuer) == "azp_wrong"
    assert refused(claims(azp=[PARTY]), issuer=issuer) == "azp_wrong"
    assert refused(claims(azp=PARTY, aud="https://other.example"), issuer=issuer) == "aud_wrong", "both conditions hold"
    assert verify(claims(azp="https://mallory.example")), "and where none is configured, azp says nothing"


@pytest.mark.parametrize("subject", ["", None, 7, ["alice"], "a" * 256, "alice\n", "alice\0", "a\u2028b", {"a": 1}])
def test_a_subject_is_a_short_text(subject: Any) -> None:
    assert refused(claims(sub=subject)) == "sub_malformed"


def test_a_subject_may_be_long_and_of_any_script() -> None:
    assert verify(claims(sub="a" * 255)).user_id.endswith("#" + "a" * 255)
    assert verify(claims(sub="auth0|ü#x")).user_id == "https://issuer.example.com#auth0|ü#x"


def test_another_issuers_subject_is_never_a_user_of_ours() -> None:
    assert verify(claims(sub="usr_0123")).user_id == "https://issuer.example.com#usr_0123"


@pytest.mark.parametrize("session", ["", 7, "s" * 256, "s\n"])
def test_a_session_is_a_short_text(session: Any) -> None:
    assert refused(claims(sid=session)) == "sid_malformed"


def test_an_id_of_a_token_is_a_text() -> None:
    assert verify(claims(jti="any text\n"))
    for value in (7, ["a"], True):
        assert refused(claims(jti=value)) == "jti_malformed"


def test_an_address_counts_unless_the_issuer_says_it_is_not_verified() -> None:
    def email(value: Any, **more: Any) -> str | None:
        return verify(claims(email=value, **more)).email

    alice = "alice@example.com"
    assert email(alice) == email(alice, email_verified=True) == email(alice, email_verified="true") == alice
    for verified in (False, "false", "no", 0, [], {}, "True "):
        assert email(alice, email_verified=verified) is None
    for value in (7, [alice], {"a": alice}, "", "a" * 255, "alice@example.com\r\nBcc: bob@example.com"):
        assert email(value) is None


def test_scopes_are_a_text_or_a_list() -> None:
    def scopes(**more: Any) -> frozenset[str]:
        return verify(claims(**more)).scopes

    assert (
        scopes(scope="a b")
        == scopes(scope=["a", "b"])
        == scopes(scp="a b")
        == scopes(scope="a", scp=["b"])
        == {"a", "b"}
    )
    assert scopes(scope="") == scopes(scope=[]) == scopes(permissions=["a"]) == frozenset()
    for value in (7, True, {"a": 1}, ["a", 7], [["a"]]):
        assert refused(claims(scope=value)) == "scope_malformed"


def test_what_a_bearer_cannot_prove_or_is_an_event_is_refused() -> None:
    assert refused(claims(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"})) == "claim_refused"
    assert refused(claims(events={"http://schemas.openid.net/event/backchannel-logout": {}})) == "claim_refused"


def test_the_type_of_another_issuers_token_is_a_plain_one() -> None:
    for typ in ("JWT", "jwt", "at+jwt", "application/at+jwt", "AT+JWT", "application/JWT", None):
        assert verify(claims(), typ=typ)
    for typ in (
        "logout+jwt",
        "dpop+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "id+jwt",
        "JOSE",
        "",
        "application/application/jwt",
    ):
        assert refused(claims(), typ=typ) == "typ_refused"


def test_our_own_token_is_an_access_token_and_nothing_else() -> None:
    own = replace(ISSUER, name="tollhouse", is_own=True, leeway_seconds=0)
    for typ in ("at+jwt", "application/at+jwt", "AT+JWT"):
        assert verify(claims(sub="usr_1"), issuer=own, typ=typ).user_id == "usr_1"
    for typ in ("JWT", None, "id+jwt", "", "logout+jwt"):
        assert refused(claims(sub="usr_1"), issuer=own, typ=typ) == "typ_refused"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"{",
        b"[]",
        b'"alice"',
        b'{"sub":"alice","sub":"mallory"}',
        b'{"exp":NaN}',
        b"\xff",
        b"eyJhbGciOiJSUzI1NiJ9.e30.AA",
    ],
)
def test_claims_that_cannot_be_read_in_one_way_are_refused_though_truly_signed(payload: bytes) -> None:
    assert refused(payload) == "claims_unreadable"


CLERK = clerk("https://clerk.example.com", authorized_parties=[PARTY])
SUPABASE = supabase("https://abcdefghijklmnopqrst.supabase.co/auth/v1")
AUTH0 = auth0("https://acme.eu.auth0.com/", audiences=["https://api.example.com"])
GOOGLE = google(client_ids=["1234.apps.googleusercontent.com"])


def of_clerk(**changes: Any) -> dict[str, Any]:
    usual = {
        "iss": CLERK.issuer,
        "azp": PARTY,
        "sub": "user_2a",
        "sid": "sess_2b",
        "sts": "active",
        "v": 2,
        "fva": [1, -1],
    }
    return claims(**({"aud": None} | usual | changes))


def test_clerks_session_token_is_taken_once_the_session_is_active() -> None:
    caller = verify(of_clerk(), issuer=CLERK)
    assert caller.user_id == "https://clerk.example.com#user_2a"
    assert (caller.session_id, caller.email) == ("sess_2b", None)
    assert verify(of_clerk(sts=None), issuer=CLERK), "version 1 does not say"
    assert refused(of_clerk(sts="pending"), issuer=CLERK) == "not_signed_in_yet"
    assert refused(of_clerk(azp="https://mallory.example"), issuer=CLERK) == "azp_wrong"
    assert refused(of_clerk(azp=None), issuer=CLERK) == "azp_missing"
    assert refused(of_clerk(aud="convex"), issuer=CLERK) == "aud_wrong", "made by a template for somebody else"
    assert verify(claims(sts="pending")), "elsewhere it is anybody's claim"


def test_supabases_token_is_taken_when_signed_in() -> None:
    token = claims(
        iss=SUPABASE.issuer, aud="authenticated", role="authenticated", session_id="5a2b", email="alice@example.com"
    )
    caller = verify(token, issuer=SUPABASE)
    assert (caller.session_id, caller.email) == ("5a2b", "alice@example.com")
    assert refused(token | {"aud": "anon"}, issuer=SUPABASE) == "aud_wrong"


def test_auth0s_token_brings_scopes_and_permissions() -> None:
    token = claims(
        iss=AUTH0.issuer,
        aud=["https://api.example.com", "https://acme.eu.auth0.com/userinfo"],
        scope="openid",
        permissions=["read:notes"],
    )
    assert verify(token, issuer=AUTH0).scopes == {"openid", "read:notes"}
    assert refused(token | {"aud": "client-id-1"}, issuer=AUTH0) == "aud_wrong", "an ID token"
    assert refused(token | {"iss": AUTH0.issuer.rstrip("/")}, issuer=AUTH0) == "issuer_unknown"


def test_googles_id_token_is_taken_for_our_client() -> None:
    token = claims(iss=GOOGLE.issuer, aud=GOOGLE.audiences[0], email="alice@example.com", email_verified=True)
    assert verify(token, issuer=GOOGLE).email == "alice@example.com"
    assert verify(token | {"email_verified": False}, issuer=GOOGLE).email is None
    assert refused(token | {"aud": "5678.apps.googleusercontent.com"}, issuer=GOOGLE) == "aud_wrong"


def test_an_algorithm_that_the_issuer_does_not_use_is_refused() -> None:
    assert finish(verifier_of(RS, ES).verify(ES.sign(claims())))
    with pytest.raises(TokenInvalid) as caught:
        finish(verifier_of(RS, ES, issuer=replace(ISSUER, algorithms=("RS256",))).verify(ES.sign(claims())))
    assert caught.value.reason == "algorithm_refused"
