"""A token is read in one way, and verified by a key that it does not bring along."""

from __future__ import annotations

import hmac
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc.util import urlsafe_b64encode

from tests.access.forging import ES, RS, Signer, claims
from tollhouse.access import jws
from tollhouse.access.errors import TokenInvalid
from tollhouse.access.keysets import VerificationKey


def refused(token: str, signer: Signer = RS) -> str:
    with pytest.raises(TokenInvalid) as caught:
        jws.verify(jws.parse(token), VerificationKey.parse(signer.jwk))
    assert caught.value.evidence == {}, "why is for the log"
    assert caught.value.detail == "The token is not one that is accepted here."
    return caught.value.reason


def encode(value: Any) -> str:
    return urlsafe_b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


@pytest.mark.parametrize(
    "algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"]
)
def test_every_algorithm_verifies_its_own_signature_and_no_other(algorithm: str) -> None:
    rsa = algorithm[:2] in {"RS", "PS"}
    signer, other = (Signer(algorithm, key=RS.key if rsa else None) for _ in range(2))
    token = signer.sign(claims())
    jws.verify(jws.parse(token), VerificationKey.parse(signer.jwk))
    assert refused(token[:-4] + "AAAA", signer) == "signature_wrong"
    if not rsa:
        assert refused(token, other) == "signature_wrong"


def test_the_parts_are_what_was_signed() -> None:
    parts = jws.parse(RS.sign(b"any bytes", typ="application/AT+JWT"))
    assert parts.header == jws.Header("RS256", "rs", "at+jwt")
    assert parts.payload == b"any bytes"
    assert jws.parse(RS.sign(b"", typ=None, kid=None)).header == jws.Header("RS256", None, None)


TOKEN = RS.sign(claims())
HEADER, PAYLOAD, SIGNATURE = TOKEN.split(".")

NOT_COMPACT = {
    "nothing": "",
    "a word": "token",
    "two parts": f"{HEADER}.{PAYLOAD}",
    "four parts": f"{TOKEN}.{SIGNATURE}",
    "five parts, a JWE": f"{HEADER}.a.b.c.d",
    "no header": f".{PAYLOAD}.{SIGNATURE}",
    "no signature": f"{HEADER}.{PAYLOAD}.",
    "dots": "..",
    "a line end": TOKEN + "\n",
    "a line end within": f"{HEADER}.\n{PAYLOAD}.{SIGNATURE}",
    "a space before": " " + TOKEN,
    "padding": TOKEN + "==",
    "the other alphabet": f"{HEADER}.ab+/.{SIGNATURE}",
    "a NUL": TOKEN + "\0",
    "half a character": TOKEN + "\ud800",
    "digits of another script": f"{HEADER}.{PAYLOAD}٣.{SIGNATURE}",
    "full-width letters": TOKEN.replace("e", "ｅ"),
    "JSON": json.dumps({"payload": PAYLOAD, "protected": HEADER, "signature": SIGNATURE}),
    "with its scheme": f"Bearer {TOKEN}",
}


@pytest.mark.parametrize("token", NOT_COMPACT.values(), ids=NOT_COMPACT)
def test_what_is_not_three_parts_of_base64url_is_refused(token: str) -> None:
    assert refused(token) == "not_compact"


def test_a_second_spelling_of_the_same_bytes_is_refused() -> None:
    token = ES.sign(claims())  # 64 bytes: the last of its characters has spare bits
    assert token[-1] in "AQgw"
    assert refused(token[:-1] + chr(ord(token[-1]) + 1), ES) == "not_canonical"
    assert refused(token + "A", ES) == "signature_wrong", "a byte more"


def test_more_than_8_kib_is_refused_unread_and_8_kib_are_not() -> None:
    def of_length(length: int) -> str:
        for size in range((length - 800) * 3 // 4, length):
            token = RS.sign(b"x" * size)
            if len(token) >= length:
                return token
        raise AssertionError

    token = of_length(8192)
    assert len(token) == 8192
    jws.verify(jws.parse(token), VerificationKey.parse(RS.jwk))
    assert refused(of_length(8193)) == "too_long"
    assert refused("é" * 10_000_000) == "too_long"
    assert refused(RS.sign(b"{}", note="x" * 2000)) == "header_too_long"


def test_a_header_has_2048_characters_at_most() -> None:
    def of_bytes(length: int) -> str:
        return RS.sign_bytes(b'{"alg":"RS256","kid":"rs"}'.ljust(length), b"{}")

    jws.verify(jws.parse(of_bytes(1536)), VerificationKey.parse(RS.jwk))
    assert len(of_bytes(1536).split(".")[0]) == 2048
    assert refused(of_bytes(1537)) == "header_too_long"


FORGED_HEADERS: dict[str, dict[str, Any]] = {
    "crit": {"crit": ["exp"], "exp": 1},
    "crit, empty": {"crit": []},
    "crit of what nobody knows": {"crit": ["http://example.com/UNDEFINED"], "http://example.com/UNDEFINED": True},
    "b64": {"b64": False},
    "b64 with crit": {"b64": False, "crit": ["b64"]},
    "zip": {"zip": "DEF"},
    "enc": {"enc": "A256GCM"},
    "a key of its own": {"jwk": ES.jwk},
    "an address of keys": {"jku": "https://mallory.example/jwks.json"},
    "an address of certificates": {"x5u": "https://mallory.example/chain.pem"},
    "a certificate": {"x5c": ["MIIB"]},
}


@pytest.mark.parametrize("header", FORGED_HEADERS.values(), ids=FORGED_HEADERS)
def test_a_header_that_changes_the_reading_or_brings_a_key_is_refused_though_truly_signed(
    header: dict[str, Any],
) -> None:
    assert refused(RS.sign(claims(), **header)) == "header_refused"


@pytest.mark.parametrize(
    "name",
    [
        "none",
        "None",
        "nOnE",
        "NONE",
        " none",
        "HS256",
        "HS384",
        "HS512",
        "rs256",
        "RS256 ",
        "ES256K",
        "RS1",
        "dir",
        "",
        None,
        1,
        ["RS256"],
        {"a": 1},
    ],
)
def test_no_algorithm_but_ours_is_one(name: Any) -> None:
    header = {"kid": "rs", "typ": "JWT"} | ({"alg": name} if name is not None else {})
    for signature in (SIGNATURE, "AA"):
        assert refused(f"{encode(header)}.{PAYLOAD}.{signature}") == "algorithm_refused"
    assert refused(f"{encode(header)}.{PAYLOAD}.") == "not_compact"


def test_a_public_key_is_no_shared_secret() -> None:
    pem = RS.key.as_pem(private=False)
    secrets = (pem, pem.strip(), pem.replace(b"\n", b""), RS.key.as_der(private=False), json.dumps(RS.jwk).encode())
    for algorithm in ("HS256", "HS384", "HS512"):
        for secret in secrets:
            signing_input = f"{encode({'alg': algorithm, 'kid': 'rs', 'typ': 'JWT'})}.{PAYLOAD}"
            signature = hmac.digest(secret, signing_input.encode(), f"sha{algorithm[2:]}")
            assert refused(f"{signing_input}.{encode(signature)}") == "algorithm_refused"


def test_the_header_says_what_the_key_is_for_or_the_token_is_refused() -> None:
    rs512 = Signer("RS512", "rs", key=RS.key)
    assert refused(rs512.sign(claims()), RS) == "algorithm_refused", "of the same key, which is for RS256"
    assert refused(ES.sign(claims(), kid="rs"), RS) == "algorithm_refused"
    ps256 = Signer("PS256", "rs", key=RS.key).sign(claims(), alg="RS256")
    assert refused(ps256, RS) == "signature_wrong"


@pytest.mark.parametrize("kid", ["", 7, None, ["rs"], {"a": 1}, True, "k" * 256])
def test_a_kid_is_a_short_text(kid: Any) -> None:
    if kid is None:
        assert refused(RS.sign_bytes(b'{"alg":"RS256","kid":[]}', b"{}")) == "kid_malformed"
        assert jws.parse(RS.sign_bytes(b'{"alg":"RS256","kid":null}', b"{}")).header.kid is None
    else:
        assert refused(RS.sign(claims(), kid=kid)) == "kid_malformed"


@pytest.mark.parametrize("typ", [7, ["JWT"], True, {}])
def test_a_typ_is_a_text(typ: Any) -> None:
    assert refused(RS.sign(claims(), typ=typ)) == "typ_malformed"


HEADERS = {
    "a name twice": b'{"alg":"RS256","alg":"HS256"}',
    "a name twice, the good one last": b'{"alg":"none","alg":"RS256"}',
    "a list": b'["RS256"]',
    "no JSON": b"alg=RS256",
    "no UTF-8": b'{"alg":"RS256","kid":"\xff"}',
    "UTF-16": '{"alg":"RS256"}'.encode("utf-16"),
    "half a character": b'{"alg":"RS256","kid":"\\ud800"}',
    "nested": b'{"alg":"RS256","a":' + b"[" * 100 + b"]" * 100 + b"}",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_that_two_parsers_read_otherwise_is_refused_though_truly_signed(header: bytes) -> None:
    assert refused(RS.sign_bytes(header, b"{}")) == "not_canonical"


def test_a_signature_in_der_is_refused() -> None:
    head, payload, _ = ES.sign(claims()).split(".")
    der = ES.key.private_key.sign(f"{head}.{payload}".encode(), ECDSA(SHA256()))
    assert refused(f"{head}.{payload}.{encode(der)}", ES) == "signature_wrong"


def test_headers_that_were_refused_are_not_kept() -> None:
    before = jws.parse_header.cache_info().currsize
    for number in range(20):
        refused(f"{encode({'alg': 'none', 'n': number})}.{PAYLOAD}.{SIGNATURE}")
    assert jws.parse_header.cache_info().currsize == before
