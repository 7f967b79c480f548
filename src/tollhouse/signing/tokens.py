"""Random tokens, the digests we keep of them, and ids that sort by time."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from typing import Final

TOKEN_BYTES: Final = 32
TOKEN_PATTERN: Final = re.compile(r"[A-Za-z0-9_-]{43}")
CODE_DIGITS: Final = 6
ID_RANDOM_BYTES: Final = 10


def encode_base64url(value: bytes) -> bytes:
    """Return base64url without padding (RFC 7515, 2)."""
    return base64.urlsafe_b64encode(value).rstrip(b"=")


def create_token() -> str:
    """Return 256 random bits as 43 characters that are safe in a URL and a cookie."""
    return encode_base64url(secrets.token_bytes(TOKEN_BYTES)).decode("ascii")


def parse_token(text: object) -> bytes | None:
    """Return the bytes of a token, or None when the text cannot be one of ours.

    Only the canonical spelling is taken: base64 has spare bits in the last character, and two spellings of one
    token would be two strings that sign in.
    """
    if not isinstance(text, str) or not TOKEN_PATTERN.fullmatch(text):
        return None
    token = base64.urlsafe_b64decode(text + "=")
    return token if encode_base64url(token).decode("ascii") == text else None


def secret_of(token: str) -> bytes:
    """Return the bytes of a token that we made, or have parsed before: a key from anything else would seal nothing."""
    secret = parse_token(token)
    assert secret is not None, "not a token of ours"
    return secret


def create_code() -> str:
    """Return six random digits."""
    return f"{secrets.randbelow(10**CODE_DIGITS):0{CODE_DIGITS}d}"


def digest(token: bytes) -> bytes:
    """Return SHA-256 of a 256-bit token: enough for what nobody can guess (ASVS 5.0, 6.5.2)."""
    return hashlib.sha256(token).digest()


def create_id(prefix: str, now_us: int) -> str:
    """Return an id such as `usr_019a…`: 48 bits of milliseconds, then 80 random bits, in hexadecimal."""
    return f"{prefix}_{now_us // 1000:012x}{secrets.token_hex(ID_RANDOM_BYTES)}"
