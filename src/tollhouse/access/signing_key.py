"""One key that signs our tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry

from tollhouse.pages.replies import encode
from tollhouse.signing.tokens import encode_base64url

ACCESS: Final = "ES256"  # short and quick to make
ID: Final = "RS256"  # what Auth.js and most clients expect, without being asked
RSA_BITS: Final = 2048


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A signing key as it is stored; times in microseconds UTC."""

    id: str
    algorithm: str
    generation: int
    sealed: bytes
    created_at: int
    active_at: int


class SigningKey:
    """An opened key that signs."""

    def __init__(self, row: KeyRow, private_key: bytes) -> None:
        """Read the private key from PKCS #8 DER."""
        self.row = row
        self.kid = row.id
        kind = ECKey if row.algorithm == ACCESS else RSAKey
        # Its seal shows that it is ours: testing the primes once more would hold up the loop for 17 ms.
        loaded: Any = load_der_private_key(private_key, password=None, unsafe_skip_rsa_key_validation=True)
        self._key = kind.import_key(loaded)
        self._algorithm = JWSRegistry.algorithms[row.algorithm]
        self._headers: dict[str, bytes] = {}

    @cached_property
    def public_jwk(self) -> dict[str, Any]:
        """The public key as JWKS publishes it (RFC 7517)."""
        public: dict[str, Any] = dict(self._key.as_dict(private=False))
        return public | {"kid": self.kid, "alg": self.row.algorithm, "use": "sig"}

    def sign(self, claims: dict[str, Any], *, typ: str) -> str:
        """Return a signed JWT in compact form (RFC 7515, 3.1)."""
        header = self._headers.get(typ)
        if header is None:
            fields = {"alg": self.row.algorithm, "kid": self.kid, "typ": typ}
            header = self._headers[typ] = encode_base64url(encode(fields))
        signing_input = header + b"." + encode_base64url(encode(claims))
        signature = self._algorithm.sign(signing_input, self._key)
        return (signing_input + b"." + encode_base64url(signature)).decode("ascii")


def make_private_key(algorithm: str) -> bytes:
    """Return a new private key as PKCS #8 DER: P-256, or RSA of 2,048 bits."""
    key = (
        ec.generate_private_key(ec.SECP256R1())
        if algorithm == ACCESS
        else rsa.generate_private_key(public_exponent=65537, key_size=RSA_BITS)
    )
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
