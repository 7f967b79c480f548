"""Tokens as issuers sign them, and as forgers twist them."""

from __future__ import annotations

import json
from collections.abc import Coroutine
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey
from joserfc.jws import JWSRegistry
from joserfc.util import urlsafe_b64encode

from tollhouse.access.issuers import Issuer
from tollhouse.access.key_sources import StaticKeys
from tollhouse.access.verifier import Trusted, Verifier
from tollhouse.clock import SECOND, Clock

T = TypeVar("T")
NOW = 1_900_000_000
ISSUER = Issuer(
    name="acme",
    issuer="https://issuer.example.com",
    jwks_url="https://issuer.example.com/jwks.json",
    audiences=("https://api.example.com",),
    algorithms=("RS256", "ES256"),
)


class StillClock(Clock):
    """A clock that stands where it is put, to the microsecond."""

    us = NOW * SECOND

    def now_us(self) -> int:
        return self.us


@dataclass
class Signer:
    """Whoever holds a private key."""

    algorithm: str
    kid: str | None = "key-1"
    key: Any = None
    members: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.key = self.key or make_key(self.algorithm)

    @cached_property
    def jwk(self) -> dict[str, Any]:
        named = {"kid": self.kid} if self.kid else {}
        return {**self.key.as_dict(private=False), **named, "use": "sig", "alg": self.algorithm, **self.members}

    def sign(self, claims: Any, **header: Any) -> str:
        """A token; a header of None is left out, claims may be bytes of any kind."""
        named = {"kid": self.kid} if self.kid else {}
        fields = {"alg": self.algorithm, "typ": "JWT", **named, **header}
        return self.sign_bytes(to_bytes({k: v for k, v in fields.items() if v is not None}), to_bytes(claims))

    def sign_bytes(self, header: bytes, payload: bytes) -> str:
        """A token of exactly these bytes, truly signed."""
        signing_input = urlsafe_b64encode(header) + b"." + urlsafe_b64encode(payload)
        signature = JWSRegistry.algorithms[self.algorithm].sign(signing_input, self.key)
        return (signing_input + b"." + urlsafe_b64encode(signature)).decode()


def make_key(algorithm: str) -> Any:
    if algorithm.startswith("HS"):
        return OctKey.generate_key(512)
    if algorithm.startswith("E"):
        curves = {"ES256": "P-256", "ES384": "P-384", "ES512": "P-521", "EdDSA": "Ed25519", "Ed25519": "Ed25519"}
        return (ECKey if algorithm.startswith("ES") else OKPKey).generate_key(curves[algorithm])  # type: ignore[arg-type]
    return RSAKey.generate_key(2048)


def to_bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else json.dumps(value).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """What the issuer says of Alice; a change of None leaves a claim out."""
    usual = {
        "iss": ISSUER.issuer,
        "aud": ISSUER.audiences[0],
        "sub": "alice",
        "iat": NOW - 60,
        "exp": NOW + 600,
    }
    return {name: value for name, value in {**usual, **changes}.items() if value is not None}


def document_of(*signers: Signer) -> bytes:
    """Their public keys, as a JWKS."""
    return json.dumps({"keys": [signer.jwk for signer in signers]}).encode()


def keys_of(*signers: Signer) -> StaticKeys:
    return StaticKeys.of_document(document_of(*signers))


def verifier_of(*signers: Signer, issuer: Issuer = ISSUER, clock: Clock | None = None) -> Verifier:
    """A verifier that trusts the issuer by these keys."""
    return Verifier.of([Trusted(issuer, keys_of(*signers))], clock=clock or StillClock())


def finish(work: Coroutine[Any, Any, T]) -> T:
    """The result of what waits for nothing, without an event loop."""
    try:
        work.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waited")


RS, ES = Signer("RS256", "rs"), Signer("ES256", "es")  # making an RSA key takes a while: these are everybody's
