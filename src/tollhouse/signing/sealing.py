"""Sealing: AES-256-GCM under a key derived for one purpose."""

from __future__ import annotations

import secrets
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from tollhouse.errors import TollhouseError

NONCE_BYTES: Final = 12
KEY_BYTES: Final = 32


class SealBroken(TollhouseError):
    """What was sealed cannot be opened with this key."""

    code = "seal_broken"


def derive_key(secret: bytes, purpose: str) -> bytes:
    """Return 256 bits derived from a secret of at least 256 bits for one purpose (HKDF-SHA256, RFC 5869)."""
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"tollhouse {purpose}".encode()).derive(secret)


def seal(key: bytes, plaintext: bytes, *, context: str) -> bytes:
    """Return nonce + ciphertext + tag; `context` (the row's id, say) must be given again to open it."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plaintext, context.encode())


def open_sealed(key: bytes, sealed: bytes, *, context: str) -> bytes:
    """Return what was sealed; raise `SealBroken` for another key, another context or changed bytes."""
    try:
        return AESGCM(key).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], context.encode())
    except (InvalidTag, ValueError) as error:
        raise SealBroken from error
