"""A published key set is taken for what it can verify, or refused whole."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey
from joserfc.util import int_to_base64

from tests.access.forging import ES, RS, Signer, document_of, finish
from tollhouse.access.errors import TokenInvalid
from tollhouse.access.key_sources import StaticKeys
from tollhouse.access.keysets import KeySet, KeySetInvalid, VerificationKey


def parse(*keys: Any) -> KeySet:
    return KeySet.parse(json.dumps({"keys": keys}).encode())


def refused(*keys: Any) -> str:
    with pytest.raises(KeySetInvalid) as caught:
        parse(*keys)
    return caught.value.detail


def passed_over(**members: Any) -> str:
    """Why a key that differs from a good one in these members is not used; None leaves a member out."""
    changed = {name: value for name, value in (RS.jwk | members).items() if value is not None}
    keys = parse(changed | {"kid": "changed"} | ({"kid": members["kid"]} if "kid" in members else {}), ES.jwk)
    assert [key.kid for key in keys.keys] == ["es"]
    return keys.passed_over[0]


def test_a_key_is_found_by_its_kid_and_for_its_algorithm_only() -> None:
    keys = parse(RS.jwk, ES.jwk)
    found = keys.find("rs", "RS256")
    assert found is not None
    assert (found.kid, found.algorithm) == ("rs", "RS256")
    assert keys.find("rs", "RS512") is None, "its alg pins it"
    assert keys.find("rs", "PS256") is None
    assert keys.find("es", "RS256") is None
    assert keys.find("RS", "RS256") is None
    assert keys.find("", "RS256") is None


def test_a_key_without_alg_verifies_what_its_kind_can() -> None:
    keys = parse({k: v for k, v in RS.jwk.items() if k != "alg"}, {k: v for k, v in ES.jwk.items() if k != "alg"})
    assert all(keys.find("rs", f"{kind}{bits}") for kind in ("RS", "PS") for bits in (256, 384, 512))
    assert keys.find("es", "ES256")
    assert keys.find("es", "ES384") is None, "another curve"
    assert keys.find("rs", "HS256") is None


@pytest.mark.parametrize("algorithm", ["ES384", "ES512", "EdDSA", "Ed25519"])
def test_every_curve_we_verify_is_taken(algorithm: str) -> None:
    assert parse(Signer(algorithm).jwk).find("key-1", algorithm)


def test_without_a_kid_exactly_one_key_must_fit() -> None:
    assert parse(RS.jwk, ES.jwk).find(None, "RS256")
    assert parse(RS.jwk, RS.jwk | {"kid": "rs-2"}).find(None, "RS256") is None
    nameless = {k: v for k, v in RS.jwk.items() if k != "kid"}
    assert parse(nameless).find(None, "RS256")
    assert parse(nameless).find("whatever the token calls it", "RS256")
    assert parse(nameless, nameless).find("whatever", "RS256") is None
    assert parse(RS.jwk).find("another", "RS256") is None, "a key that has a name is meant by it alone"


SECRETS: dict[str, Any] = {
    "symmetric": {"kty": "oct", "k": "c2VjcmV0", "kid": "o"},
    "symmetric without k": {"kty": "oct", "kid": "o"},
    "private RSA": RS.key.as_dict(private=True),
    "private EC": ES.key.as_dict(private=True),
    "private Ed25519": OKPKey.generate_key("Ed25519").as_dict(private=True),
    "private of a kind to come": {"kty": "AKP", "alg": "ML-DSA-44", "priv": "c2VjcmV0"},
    "half private": RS.jwk | {"kid": "half", "p": "AQAB"},
    "private beside other faults": ES.key.as_dict(private=True) | {"use": "enc"},
}


@pytest.mark.parametrize("secret", SECRETS.values(), ids=SECRETS)
def test_a_set_with_a_secret_in_it_is_refused_whole(secret: dict[str, Any]) -> None:
    assert "private or symmetric" in refused(RS.jwk, secret)
    with pytest.raises(KeySetInvalid, match="private or symmetric"):
        VerificationKey.parse(secret)


def test_two_usable_keys_of_one_kid_are_refused_wherever_they_differ() -> None:
    unpinned = {name: value for name, value in RS.jwk.items() if name != "alg"}
    assert "one `kid`" in refused(RS.jwk, ES.jwk | {"kid": "rs"})
    assert "one `kid`" in refused(ES.jwk, Signer("ES256", "es").jwk)
    assert "one `kid`" in refused(RS.jwk, RS.jwk | {"alg": "PS256"}), "it is for another algorithm"
    assert "one `kid`" in refused(RS.jwk, unpinned)
    assert "one `kid`" in refused(RS.jwk, RS.jwk, ES.jwk | {"kid": "rs"}), "nor behind a twin"


def test_a_key_that_is_passed_over_takes_no_kid_from_another() -> None:
    for twin in ({"kty": "future"}, RS.jwk | {"use": "enc", "alg": "RSA-OAEP"}, ES.jwk | {"key_ops": ["deriveKey"]}):
        for keys in ((RS.jwk, twin | {"kid": "rs"}), (twin | {"kid": "rs"}, RS.jwk)):
            found = parse(*keys)
            assert found.find("rs", "RS256")
            assert len(found.passed_over) == 1
    assert "private or symmetric" in refused(RS.jwk, {"kty": "oct", "kid": "rs", "k": "AAAA"}), "a secret is one still"


def test_a_key_that_is_there_twice_counts_once() -> None:
    found = parse(RS.jwk, ES.jwk, RS.jwk | {"x5t": "AAAA"})
    assert [key.kid for key in found.keys] == ["rs", "es"]
    assert found.find(None, "RS256"), "without a kid exactly one key fits"


def test_a_member_that_is_null_is_as_one_that_is_left_out() -> None:
    for name in ("use", "key_ops", "alg"):
        assert parse(RS.jwk | {name: None}).find("rs", "RS256"), name
    assert parse(RS.jwk | {"kid": None}).find("whatever the token calls it", "RS256")
    assert parse(RS.jwk | dict.fromkeys(("use", "key_ops", "alg", "kid"))).find(None, "PS512")
    assert VerificationKey.parse(RS.jwk | {"use": None, "key_ops": None})


def test_too_many_keys_and_too_large_documents_are_refused() -> None:
    hundred = [ES.jwk | {"kid": str(number)} for number in range(100)]
    assert len(parse(*hundred).keys) == 100
    assert "more than 100" in refused(*hundred, ES.jwk)
    document = document_of(ES)
    assert KeySet.parse(document, document_bytes_max=len(document))
    with pytest.raises(KeySetInvalid, match="larger than"):
        KeySet.parse(document, document_bytes_max=len(document) - 1)
    with pytest.raises(KeySetInvalid, match="larger than 262144 bytes"):
        KeySet.parse(document + b" " * 2**18)


DOCUMENTS = {
    "nothing": b"",
    "HTML": b"<!doctype html><title>Not found</title>",
    "a list": b"[]",
    "no keys": b"{}",
    "keys that are no list": b'{"keys":{}}',
    "keys that are no keys": b'{"keys":[1]}',
    "an empty list": b'{"keys":[]}',
    "a name twice": b'{"keys":[],"keys":' + document_of(RS)[8:],
    "a name twice in a key": document_of(RS).replace(b'"kid"', b'"kid": "x", "kid"'),
    "half a document": document_of(RS)[:200],
    "a single key": json.dumps(RS.jwk).encode(),
}


@pytest.mark.parametrize("document", DOCUMENTS.values(), ids=DOCUMENTS)
def test_what_is_no_key_set_is_refused(document: bytes) -> None:
    with pytest.raises(KeySetInvalid):
        KeySet.parse(document)


def test_a_key_of_an_unknown_kind_is_passed_over() -> None:
    keys = parse({"kty": "AKP", "alg": "ML-DSA-44", "pub": "AAAA", "kid": "pq"}, RS.jwk)
    assert [key.kid for key in keys.keys] == ["rs"]
    assert keys.passed_over == ("an unknown kind",)
    assert refused({"kty": "AKP"}, {}, {"kty": ["RSA"]}).count("an unknown kind") == 3
    assert "it is empty" in refused()


def test_a_key_for_something_else_is_passed_over() -> None:
    assert passed_over(use="enc") == "not for signatures"
    assert passed_over(use=["sig"]) == "not for signatures"
    assert passed_over(key_ops=["sign"]) == "not for verifying"
    assert passed_over(key_ops="verify") == "not for verifying"
    assert passed_over(alg="RSA-OAEP").startswith("an alg")
    assert passed_over(alg="ES256").startswith("an alg")
    assert passed_over(alg="HS256").startswith("an alg")
    assert passed_over(alg="none").startswith("an alg")
    assert passed_over(alg=["RS256"]).startswith("an alg")
    assert passed_over(kid=7).startswith("a kid")
    assert passed_over(kid="k" * 256).startswith("a kid")
    assert parse(RS.jwk | {"key_ops": ["verify"]}), "and this one is for it"
    assert parse({k: v for k, v in RS.jwk.items() if k != "use"})


def modulus(bits: int) -> str:
    return int_to_base64(rsa.generate_private_key(65537, bits).public_key().public_numbers().n)


def test_a_weak_or_monstrous_rsa_key_is_passed_over() -> None:
    assert "1024 bits" in passed_over(n=modulus(1024))
    assert "2047 bits" in passed_over(n=int_to_base64((1 << 2047) - 1))
    assert "8193 bits" in passed_over(n=int_to_base64((1 << 8192) + 1))
    assert "numbers" in passed_over(e=int_to_base64(1))
    assert "numbers" in passed_over(e=int_to_base64(65536))
    assert "numbers" in passed_over(e=int_to_base64((1 << 64) + 1))
    assert "numbers" in passed_over(n=int_to_base64((1 << 2048) - 2))
    assert "missing" in passed_over(n=None)
    assert "missing" in passed_over(e="")
    assert "missing" in passed_over(e=65537)
    assert "base64url" in passed_over(e="AQAB==")
    assert "base64url" in passed_over(n="é" * 400)


def test_a_point_off_its_curve_or_of_another_curve_is_passed_over() -> None:
    def keys_left(**members: Any) -> list[str | None]:
        return [key.kid for key in parse(ES.jwk | {"kid": "changed"} | members, RS.jwk).keys]

    assert keys_left() == ["changed", "rs"]
    assert keys_left(x=ES.jwk["y"]) == ["rs"]
    assert keys_left(x="AA", y="AA") == ["rs"], "the point at infinity, in some hands"
    assert keys_left(crv="P-384") == ["rs"]
    assert keys_left(crv="secp256k1", alg="ES256K") == ["rs"]
    assert keys_left(crv="X25519", kty="OKP") == ["rs"]
    assert keys_left(crv=["P-256"]) == ["rs"]
    assert keys_left(kty="OKP", crv="Ed25519") == ["rs"], "its alg is not of that kind"
    assert keys_left(kty="OKP", crv="Ed25519", alg="EdDSA", x="AAAA") == ["rs"]


def test_a_certificate_or_address_beside_a_key_is_never_read() -> None:
    assert parse(RS.jwk | {"x5c": "not even a list", "x5u": 7, "x5t": None, "jku": {}}).find("rs", "RS256")


json_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.text(max_size=5),
        st.sampled_from(["RSA", "EC", "AQAB", "P-256", "sig"]),
    ),
    lambda inner: st.lists(inner, max_size=2),
    max_leaves=3,
)
members = st.sampled_from(["kty", "kid", "alg", "use", "key_ops", "n", "e", "crv", "x", "y", "d", "k", "x5c"])


@given(
    st.lists(
        st.tuples(st.sampled_from([RS.jwk, ES.jwk]), st.dictionaries(members, json_values, max_size=3)), max_size=3
    )
)
def test_any_document_gives_usable_keys_or_is_refused(changes: list[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    try:
        keys = parse(*(key | change for key, change in changes))
    except KeySetInvalid:
        return
    assert keys.keys
    assert all(key.algorithms and not key.key.is_private for key in keys.keys)


PUBLIC_KEYS: dict[str, tuple[Any, str]] = {
    "RSA": (rsa.generate_private_key(65537, 2048), "RS256"),
    "EC": (ec.generate_private_key(ec.SECP256R1()), "ES256"),
    "Ed25519": (ed25519.Ed25519PrivateKey.generate(), "EdDSA"),
}


@pytest.mark.parametrize(("private", "algorithm"), PUBLIC_KEYS.values(), ids=PUBLIC_KEYS)
def test_a_public_key_in_pem_can_be_pinned_and_a_private_one_not(private: Any, algorithm: str) -> None:
    pem = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    assert finish(StaticKeys.of_pem(pem).find("whatever the token calls it", algorithm))
    pinned = StaticKeys.of_pem(pem, kid="k1")
    assert finish(pinned.find("k1", algorithm))
    with pytest.raises(TokenInvalid):
        finish(pinned.find("k2", algorithm))
    secret = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    with pytest.raises(KeySetInvalid):
        StaticKeys.of_pem(secret)


@pytest.mark.parametrize("pem", ["", "secret", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_what_is_no_public_key_cannot_be_pinned(pem: str) -> None:
    with pytest.raises(KeySetInvalid, match="no public"):
        StaticKeys.of_pem(pem)


def test_a_curve_we_do_not_verify_cannot_be_pinned() -> None:
    public = ec.generate_private_key(ec.SECP256K1()).public_key()
    pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    with pytest.raises(KeySetInvalid, match="cannot be used"):
        StaticKeys.of_pem(pem)
    assert ECKey.import_key(public).curve_name == "secp256k1", "which the library underneath would take"
