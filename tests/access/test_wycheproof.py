"""Project Wycheproof's JOSE vectors: what it calls invalid is refused; what it calls valid is taken, or named here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.testdata import require_testdata
from tollhouse.access import jws
from tollhouse.access.encodings import EncodingInvalid, decode_base64url
from tollhouse.access.errors import TokenInvalid
from tollhouse.access.keysets import ALGORITHMS, KeySet, KeySetInvalid

DATA = require_testdata("security", "jose")

# Valid vectors of one key for several algorithms, and with characters that base64url does not have: the notes beside
# the data say that to refuse them is stricter, and fine.
STRICTER = {
    "signature-346": "a key marked for another algorithm than the token's",
    "signature-347": "a key marked ES521, which is no algorithm",
    "signature-350": "a key marked PS256 verifies no PS384",
    "signature-351": "a key marked PS256 verifies no PS384",
    "signature-372": "a stray character in the header",
    "signature-373": "a stray character in the payload",
}
# In these the fault is in the base64url itself, and the rest of the vector would hide it from a test, being symmetric.
MISSPELT = {361, 362, 372, 373, 374, 375}


def vectors(kind: str) -> list[Any]:
    groups = json.loads((DATA / f"json_web_{kind}_test.json").read_text())["testGroups"]
    return [
        pytest.param(group, test, id=f"{kind}-{test['tcId']}-{test['comment']}")
        for group in groups
        for test in group["tests"]
    ]


def keys_of(group: dict[str, Any]) -> list[dict[str, Any]]:
    given = group.get("public") or group["private"]
    return given.get("keys", [given])


def text_of(token: Any) -> str:
    return token if isinstance(token, str) else json.dumps(token)


def is_taken(group: dict[str, Any], test: dict[str, Any]) -> bool:
    try:
        keys = KeySet.parse(json.dumps({"keys": keys_of(group)}).encode())
        unverified = jws.parse(text_of(test["jws"]))
    except (KeySetInvalid, TokenInvalid):
        return False
    key = keys.find(unverified.header.kid, unverified.header.algorithm)
    if key is None:
        return False
    try:
        jws.verify(unverified, key)
    except TokenInvalid:
        return False
    return True


def why_refused(group: dict[str, Any], name: str) -> str | None:
    """Why a valid vector is refused on purpose, or None."""
    if any(key["kty"] == "oct" for key in keys_of(group)):
        return "symmetric: whoever can verify can sign"
    if any(key.get("alg") not in {None, *ALGORITHMS} for key in keys_of(group)):
        return "a key for an algorithm that we do not have"
    return STRICTER.get(name)


@pytest.mark.parametrize(("group", "test"), [each for kind in ("signature", "key") for each in vectors(kind)])
def test_a_signature_is_judged_as_the_vector_says(
    group: dict[str, Any], test: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    taken = is_taken(group, test)
    if test["result"] == "invalid":
        assert not taken
    elif why_refused(group, "-".join(request.node.callspec.id.split("-")[:2])):
        assert not taken, "it is taken now: strike it from the list"
    else:
        assert taken


@pytest.mark.parametrize(("group", "test"), [each for each in vectors("crypto") if "jws" in each.values[1]])
def test_a_key_set_is_judged_as_the_vector_says(group: dict[str, Any], test: dict[str, Any]) -> None:
    taken = is_taken(group, test)
    assert taken == (test["result"] == "valid" and why_refused(group, "") is None)


@pytest.mark.parametrize(
    ("group", "test"), [each for each in vectors("crypto") + vectors("encryption") if "jwe" in each.values[1]]
)
def test_an_encrypted_token_is_refused_unread(group: dict[str, Any], test: dict[str, Any]) -> None:
    with pytest.raises(TokenInvalid) as caught:
        jws.parse(text_of(test["jwe"]))
    assert caught.value.reason in {"not_compact", "too_long"}


@pytest.mark.parametrize(
    ("group", "test"), [each for each in vectors("signature") if each.values[1]["tcId"] in MISSPELT]
)
def test_a_misspelt_part_is_refused_for_its_spelling(group: dict[str, Any], test: dict[str, Any]) -> None:
    with pytest.raises(EncodingInvalid):
        [decode_base64url(part.encode()) for part in test["jws"].split(".")]


def test_the_vectors_are_there() -> None:
    counted = {kind: len(vectors(kind)) for kind in ("signature", "key", "crypto", "encryption")}
    assert all(counted.values()), counted
    assert any(is_taken(*each.values) for each in vectors("signature")), "something is taken"
