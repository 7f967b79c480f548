"""Verifying tokens in this process, beside what `cryptography` alone takes for the same signatures."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from statistics import median
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from bench.report import Row
from tollhouse import Issuer, Verifier
from tollhouse.access.encodings import decode_base64url
from tollhouse.access.key_sources import StaticKeys
from tollhouse.access.keysets import KeySet
from tollhouse.access.verifier import Trusted
from tollhouse.pages.replies import encode

ROUNDS: Final = 5
TOKENS: Final = 2_000
SHARE_WANTED: Final = {"RS256": 0.30, "ES256": 0.50}  # of the rate of cryptography alone
REMEMBERED_WANTED: Final = 20  # times the cold rate
ISSUER: Final = "https://clerk.bench.example"
PARTY: Final = "https://app.bench.example"


def measure_verifying() -> Iterator[Row]:
    """Both algorithms: cold, and remembered."""
    for algorithm in SHARE_WANTED:
        yield from asyncio.run(_measure(algorithm))


async def _measure(algorithm: str) -> list[Row]:
    private: Any = RSAKey if algorithm == "RS256" else ECKey
    key = private.import_key(
        rsa.generate_private_key(65537, 2048) if algorithm == "RS256" else ec.generate_private_key(ec.SECP256R1())
    )
    tokens = [make_token(key, algorithm, number) for number in range(TOKENS)]
    raw = [raw_of(token, algorithm) for token in tokens]
    public: Any = key.public_key
    verifiers = [new_verifier(key, algorithm) for _ in range(ROUNDS)]
    alone, cold, remembered = list[float](), list[float](), list[float]()
    for verifier in verifiers:
        alone.append(rate(lambda: check_raw(public, algorithm, raw)))
        cold.append(await arate(verifier.verify, tokens))
        remembered.append(await arate(verifier.verify, tokens))
    share = median(c / a for c, a in zip(cold, alone, strict=True))
    times = median(r / c for r, c in zip(remembered, cold, strict=True))
    wanted = SHARE_WANTED[algorithm]
    return [
        Row("", f"{algorithm} by cryptography alone", median(alone), "/s"),
        Row("", f"{algorithm} token, cold: {share:.0%} of that", median(cold), "/s").judged(
            f"≥ {wanted:.0%} of cryptography", share >= wanted
        ),
        Row("", f"{algorithm} token, remembered: {times:.0f} × cold", median(remembered), "/s").judged(
            f"≥ {REMEMBERED_WANTED} × cold", times >= REMEMBERED_WANTED
        ),
    ]


def make_token(key: Any, algorithm: str, number: int) -> str:
    """A token as Clerk makes them."""
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": f"user_{number}", "azp": PARTY, "sid": f"sess_{number}", "iat": now}
    return jwt.encode({"alg": algorithm, "kid": "1", "typ": "JWT"}, claims | {"exp": now + 600}, key, [algorithm])


def raw_of(token: str, algorithm: str) -> tuple[bytes, bytes]:
    """What was signed, and the signature as `cryptography` takes it."""
    signed, _, last = token.encode().rpartition(b".")
    signature = decode_base64url(last)
    if algorithm == "ES256":
        signature = encode_dss_signature(int.from_bytes(signature[:32]), int.from_bytes(signature[32:]))
    return signed, signature


def check_raw(public: Any, algorithm: str, raw: list[tuple[bytes, bytes]]) -> int:
    """Verify each signature and nothing else."""
    for signed, signature in raw:
        if algorithm == "RS256":
            public.verify(signature, signed, padding.PKCS1v15(), SHA256())
        else:
            public.verify(signature, signed, ec.ECDSA(SHA256()))
    return len(raw)


def new_verifier(key: Any, algorithm: str) -> Verifier:
    """A verifier that remembers nothing yet."""
    document = encode({"keys": [{**key.as_dict(private=False), "kid": "1", "alg": algorithm}]})
    issuer = Issuer("bench", ISSUER, f"{ISSUER}/jwks", authorized_parties=(PARTY,), algorithms=(algorithm,))
    return Verifier.of([Trusted(issuer, StaticKeys(KeySet.parse(document)))])


def rate(work: Callable[[], int]) -> float:
    """How many a second."""
    began = time.perf_counter()
    return work() / (time.perf_counter() - began)


async def arate(verify: Callable[[str], Awaitable[object]], tokens: list[str]) -> float:
    """How many tokens a second."""
    began = time.perf_counter()
    for token in tokens:
        await verify(token)
    return len(tokens) / (time.perf_counter() - began)
