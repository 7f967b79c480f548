"""Whatever is changed in a good token, or made up in place of one, is refused, and by an error of ours."""

from __future__ import annotations

import random
import string
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.access.forging import ES, ISSUER, NOW, RS, Signer, StillClock, claims, finish, keys_of, to_bytes
from tollhouse.access.callers import Caller
from tollhouse.access.errors import TokenInvalid
from tollhouse.access.issuers import Issuer
from tollhouse.access.verifier import Trusted, Verifier
from tollhouse.errors import TollhouseError

ED = Signer("EdDSA", "ed")
# The smallest conditions there can be, so that it is the signature that refuses and not they.
WIDE = Issuer(
    ISSUER.name, ISSUER.issuer, ISSUER.jwks_url, audiences=ISSUER.audiences, algorithms=("RS256", "ES256", "EdDSA")
)
VERIFIER = Verifier.of([Trusted(WIDE, keys_of(RS, ES, ED))], clock=StillClock())
GOOD = {signer.algorithm: signer.sign(claims(email="alice@example.com")) for signer in (RS, ES, ED)}
OTHER = {signer.algorithm: signer.sign(claims(sub="bob", email="bob@example.com")) for signer in (RS, ES, ED)}
BASE64URL = string.ascii_letters + string.digits + "-_"


def verify(token: str) -> Caller:
    return finish(VERIFIER.verify(token))


def is_refused(token: str) -> bool:
    try:
        verify(token)
    except TollhouseError as error:
        return isinstance(error, TokenInvalid)
    return False


@pytest.mark.parametrize("token", GOOD.values(), ids=GOOD)
def test_the_token_itself_is_good(token: str) -> None:
    assert verify(token).email == "alice@example.com"


@pytest.mark.parametrize("token", GOOD.values(), ids=GOOD)
def test_no_character_can_be_changed_removed_added_or_swapped(token: str) -> None:
    dice = random.Random(8)
    for at in range(len(token)):
        others = [character for character in BASE64URL if character != token[at]]
        for other in (*dice.sample(others, 4), "", ".", "=", "é"):
            if other != token[at]:
                assert is_refused(token[:at] + other + token[at + 1 :]), at
        assert is_refused(token[:at] + dice.choice(BASE64URL) + token[at:]), at
        if at and token[at] != token[at - 1]:
            assert is_refused(token[: at - 1] + token[at] + token[at - 1] + token[at + 1 :]), at


@pytest.mark.parametrize("token", GOOD.values(), ids=GOOD)
def test_no_spelling_of_the_last_character_but_the_right_one_is_taken(token: str) -> None:
    for at in (token.index(".") - 1, token.rindex(".") - 1, len(token) - 1):
        for other in set(BASE64URL) - {token[at]}:
            assert is_refused(token[:at] + other + token[at + 1 :])


@pytest.mark.parametrize("token", GOOD.values(), ids=GOOD)
def test_no_part_of_a_token_is_a_token(token: str) -> None:
    for length in range(len(token)):
        assert is_refused(token[:length])
        assert is_refused(token[-length:] if length else "")


def test_parts_of_two_good_tokens_make_no_third() -> None:
    pool = [token.split(".") for token in (*GOOD.values(), *OTHER.values())]
    whole = {*GOOD.values(), *OTHER.values()}
    for header in pool:
        for payload in pool:
            for signature in pool:
                token = f"{header[0]}.{payload[1]}.{signature[2]}"
                assert token in whole or is_refused(token)


@given(st.data())
def test_any_edit_of_a_good_token_is_refused(data: st.DataObject) -> None:
    token = data.draw(st.sampled_from([*GOOD.values()]))
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, min(start + 40, len(token))))
    piece = data.draw(st.one_of(st.text(BASE64URL + ".=", max_size=40), st.text(max_size=10)))
    edited = token[:start] + piece + token[end:]
    assert edited == token or is_refused(edited)


@given(
    st.one_of(st.text(), st.text(BASE64URL + "."), st.lists(st.text(BASE64URL), min_size=3, max_size=3).map(".".join))
)
def test_any_text_is_refused_by_an_error_of_ours(token: str) -> None:
    assert is_refused(token)


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=6),
        st.sampled_from([NOW, NOW + 60, "RS256", "rs", "JWT", ISSUER.issuer, *ISSUER.audiences]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
HEADER_NAMES = ["alg", "kid", "typ", "crit", "cty", "b64", "zip", "jwk", "jku", "x5u", "x5c", "x5t", "cat", "nonce"]
CLAIM_NAMES = [
    "iss",
    "sub",
    "aud",
    "azp",
    "exp",
    "nbf",
    "iat",
    "sid",
    "sts",
    "email",
    "email_verified",
    "scope",
    "scp",
    "cnf",
]


@given(
    st.dictionaries(st.sampled_from(HEADER_NAMES), json_values, max_size=3),
    st.dictionaries(st.sampled_from(CLAIM_NAMES), json_values, max_size=4),
)
def test_whatever_is_truly_signed_names_a_sound_caller_or_is_refused(
    header: dict[str, Any], changes: dict[str, Any]
) -> None:
    fields = {"alg": "ES256", "kid": "es", "typ": "JWT"} | header
    try:
        caller = verify(ES.sign_bytes(to_bytes(fields), to_bytes(claims() | changes)))
    except TokenInvalid:
        return
    said = claims() | changes
    assert caller.user_id == f"{ISSUER.issuer}#{said['sub']}"
    assert fields["alg"] == "ES256"
    assert not {"crit", "b64", "zip", "jwk", "jku", "x5u", "x5c"} & header.keys()
    assert said["exp"] > NOW - 30
    assert ISSUER.audiences[0] in said["aud"]
    assert caller.email is None or (isinstance(caller.email, str) and caller.email.isprintable())
    assert all(isinstance(scope, str) and scope for scope in caller.scopes)


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_any_bytes_that_are_truly_signed_are_refused(header: bytes, payload: bytes) -> None:
    assert is_refused(ES.sign_bytes(header, payload))
    assert is_refused(ES.sign(payload))
