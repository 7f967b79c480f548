"""Where an issuer's keys come from: anything that can peek and find; here, keys pinned by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tollhouse.access.errors import TokenInvalid
from tollhouse.access.keysets import KeySet, KeySetInvalid, VerificationKey

KINDS: Final = ((RSAPublicKey, RSAKey), (EllipticCurvePublicKey, ECKey), (Ed25519PublicKey, OKPKey))


class KeySource(Protocol):
    """An issuer's keys, kept in memory and fetched when they are not there."""

    on_removed: tuple[Callable[[], None], ...]  # called when a key is gone: nothing that it signed counts any more

    def peek(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """Return the key that fits, if it is in memory."""
        ...

    async def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """Return the key that fits; raise `TokenInvalid` where none does, `IssuerUnavailable` where none can be had."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


class StaticKeys:
    """Keys pinned by hand: nothing is ever fetched, and a rotation at the issuer is a change of yours."""

    def __init__(self, keys: KeySet) -> None:
        """Trust these."""
        self._keys = keys
        self.on_removed: tuple[Callable[[], None], ...] = ()

    @classmethod
    def of_document(cls, document: bytes) -> StaticKeys:
        """Trust the keys of a JWKS document; raise `KeySetInvalid`."""
        return cls(KeySet.parse(document))

    @classmethod
    def of_pem(cls, pem: str, *, kid: str | None = None) -> StaticKeys:
        """Trust one public key in PEM; without a kid it is taken for whatever `kid` a token names.

        Raises `KeySetInvalid` for anything but a public RSA, EC or Ed25519 key that can verify.
        """
        try:
            public: Any = load_pem_public_key(pem.encode())
            kind: Any = next(kind for native, kind in KINDS if isinstance(public, native))
        except (ValueError, StopIteration, UnsupportedAlgorithm):
            raise KeySetInvalid("This is no public RSA, EC or Ed25519 key in PEM.") from None
        jwk: dict[str, Any] = dict(kind.import_key(public).as_dict(private=False))
        return cls(KeySet((VerificationKey.parse(jwk | ({"kid": kid} if kid is not None else {})),)))

    def peek(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """Return the key that fits."""
        return self._keys.find(kid, algorithm)

    async def find(self, kid: str | None, algorithm: str) -> VerificationKey:
        """Return the key that fits; raise `TokenInvalid` where there is none."""
        key = self.peek(kid, algorithm)
        if key is None:
            raise TokenInvalid(reason="key_unknown")
        return key

    async def close(self) -> None:
        """Nothing is held open."""
