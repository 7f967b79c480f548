"""An issuer's published keys (JWKS, RFC 7517): only those that can verify, or no set at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, cast

from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from tollhouse.access.encodings import EncodingInvalid, decode_base64url, parse_object
from tollhouse.errors import TollhouseError

PublicKey = RSAKey | ECKey | OKPKey

DOCUMENT_BYTES_MAX: Final = 256 * 1024
KEYS_MAX: Final = 100
KID_LENGTH_MAX: Final = 255
RSA_BITS_MIN: Final = 2048  # NIST SP 800-131A; RFC 7518, 3.3
RSA_BITS_MAX: Final = 8192  # a larger one makes every check slow, at its owner's pleasure
RSA_EXPONENT_MAX: Final = 1 << 32

RSA_ALGORITHMS: Final = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
CURVE_ALGORITHMS: Final = {
    ("EC", "P-256"): frozenset({"ES256"}),
    ("EC", "P-384"): frozenset({"ES384"}),
    ("EC", "P-521"): frozenset({"ES512"}),
    ("OKP", "Ed25519"): frozenset({"EdDSA", "Ed25519"}),  # one algorithm, with its old name and its new (RFC 9864)
}
ALGORITHMS: Final = RSA_ALGORITHMS.union(*CURVE_ALGORITHMS.values())
PRIVATE_MEMBERS: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})


class KeySetInvalid(TollhouseError):
    """The key set of an issuer is not one that can be trusted."""

    code = "key_set_invalid"
    status = 503


class _Unusable(ValueError):
    """A key that is passed over; the rest of its set may be fine."""


@dataclass(frozen=True, slots=True)
class VerificationKey:
    """A public key and what it may verify."""

    kid: str | None
    algorithm: str | None  # the one that its `alg` pins, if any
    algorithms: frozenset[str]  # all that it may be used with; one where pinned
    key: PublicKey

    @classmethod
    def parse(cls, jwk: Mapping[str, Any]) -> VerificationKey:
        """Return the key of one public JWK; raise `KeySetInvalid` where it is not one that can verify."""
        _refuse_secret(jwk)
        try:
            return _parse_key(jwk)
        except _Unusable as error:
            raise KeySetInvalid(f"The key cannot be used: {error}.") from None


@dataclass(frozen=True, slots=True)
class KeySet:
    """The usable keys of one issuer, and why others were passed over."""

    keys: tuple[VerificationKey, ...]
    passed_over: tuple[str, ...] = ()  # reasons, for the log
    _by_kid: dict[str, VerificationKey] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Index the keys by their kid."""
        object.__setattr__(self, "_by_kid", {key.kid: key for key in self.keys if key.kid is not None})

    @classmethod
    def parse(cls, document: bytes, *, document_bytes_max: int = DOCUMENT_BYTES_MAX) -> KeySet:
        """Return the set that a JWKS document holds.

        A key that is weak, of an unknown kind or not for signatures is passed over, for an issuer may publish more than
        we know. Raises `KeySetInvalid` where the document itself is not to be trusted: no JSON or a name twice, private
        or symmetric keys in it, two usable keys of one `kid`, more than 100 keys, or none that is usable. The same key
        twice counts once.
        """
        if len(document) > document_bytes_max:
            raise KeySetInvalid(f"The key set is larger than {document_bytes_max} bytes.")
        try:
            members = parse_object(document).get("keys")
        except EncodingInvalid as error:
            raise KeySetInvalid(f"The key set cannot be read: {error}.") from None
        return cls._of(_checked(members))

    @classmethod
    def _of(cls, members: Iterable[dict[str, Any]]) -> KeySet:
        keys: list[VerificationKey] = []
        passed_over: list[str] = []
        for member in members:
            try:
                _add(keys, _parse_key(member))
            except _Unusable as error:
                passed_over.append(str(error))
        if not keys:
            raise KeySetInvalid(f"The key set holds no usable key ({', '.join(passed_over) or 'it is empty'}).")
        return cls(tuple(keys), tuple(passed_over))

    def find(self, kid: str | None, algorithm: str) -> VerificationKey | None:
        """Return the one key that fits, or None.

        Without a `kid`, in the token or in the set, exactly one key must fit: trying one after the other would let a
        token choose.
        """
        named = self._by_kid.get(kid) if kid is not None else None
        if named is not None:
            return named if algorithm in named.algorithms else None
        fitting = [key for key in self.keys if algorithm in key.algorithms and (kid is None or key.kid is None)]
        return fitting[0] if len(fitting) == 1 else None


def _checked(members: Any) -> list[dict[str, Any]]:
    if not isinstance(members, list):
        raise KeySetInvalid("The key set has no list of keys.")
    keys = cast("list[Any]", members)
    if len(keys) > KEYS_MAX:
        raise KeySetInvalid(f"The key set holds more than {KEYS_MAX} keys.")
    for key in keys:
        if not isinstance(key, dict):
            raise KeySetInvalid("The key set holds something that is no key.")
        _refuse_secret(cast("dict[str, Any]", key))
    return keys


def _add(keys: list[VerificationKey], key: VerificationKey) -> None:
    twins = [known for known in keys if known.kid == key.kid is not None]
    if any(twin != key for twin in twins):
        raise KeySetInvalid("The key set holds two keys of one `kid`.")  # which of them is meant would be luck
    if not twins:
        keys.append(key)


def _refuse_secret(member: Mapping[str, Any]) -> None:
    # A published secret is a compromise or a mix-up; either way nothing of its set proves anything.
    if member.get("kty") == "oct" or not PRIVATE_MEMBERS.isdisjoint(member):
        raise KeySetInvalid("The key set holds a private or symmetric key.")


def _parse_key(member: Mapping[str, Any]) -> VerificationKey:
    kid, algorithm = member.get("kid"), member.get("alg")  # null, as some issuers write, is as if left out
    if kid is not None and not (isinstance(kid, str) and 0 < len(kid) <= KID_LENGTH_MAX):
        raise _Unusable("a kid that is no short text")
    use, operations = member.get("use"), member.get("key_ops")
    if use is not None and use != "sig":
        raise _Unusable("not for signatures")
    if operations is not None and not (isinstance(operations, list) and "verify" in operations):
        raise _Unusable("not for verifying")
    key, algorithms = _parse_public(member)
    if algorithm is not None:
        if not isinstance(algorithm, str) or algorithm not in algorithms:
            raise _Unusable("an alg that is not its kind's, or unknown")
        algorithms = frozenset({algorithm})
    return VerificationKey(kid, algorithm, algorithms, key)


def _parse_public(member: Mapping[str, Any]) -> tuple[PublicKey, frozenset[str]]:
    kind, curve = member.get("kty"), member.get("crv")
    try:
        if kind == "RSA":
            return _parse_rsa(member), RSA_ALGORITHMS
        if isinstance(kind, str) and isinstance(curve, str) and (kind, curve) in CURVE_ALGORITHMS:
            return _parse_curve(member, kind), CURVE_ALGORITHMS[kind, curve]
    except (ValueError, JoseError) as error:  # of cryptography: a point off its curve, say
        raise _Unusable(f"no sound {kind} key: {error}") from None
    raise _Unusable("an unknown kind")


def _parse_rsa(member: Mapping[str, Any]) -> RSAKey:
    # Only what makes the key goes on: certificates and addresses beside it are never read.
    n, e = (int.from_bytes(_bytes_of(member, name)) for name in ("n", "e"))
    if not RSA_BITS_MIN <= n.bit_length() <= RSA_BITS_MAX:
        raise ValueError(f"{n.bit_length()} bits")
    if not (2 < e < RSA_EXPONENT_MAX and e % 2 and n % 2):
        raise ValueError("numbers that no RSA key has")
    if _is_roca(n):
        raise ValueError("made by a generator known to be weak (CVE-2017-15361)")
    return RSAKey.import_key({"kty": "RSA", "n": member["n"], "e": member["e"]})


def _parse_curve(member: Mapping[str, Any], kind: str) -> ECKey | OKPKey:
    if kind == "OKP":
        _bytes_of(member, "x")
        return OKPKey.import_key({"kty": "OKP", "crv": member["crv"], "x": member["x"]})
    for name in ("x", "y"):
        _bytes_of(member, name)
    return ECKey.import_key({"kty": "EC", "crv": member["crv"], "x": member["x"], "y": member["y"]})


def _bytes_of(member: Mapping[str, Any], name: str) -> bytes:
    value = member.get(name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"`{name}` is missing")
    return decode_base64url(value.encode())


def _subgroups() -> Iterator[tuple[int, frozenset[int]]]:
    for prime in (p for p in range(3, 168, 2) if all(p % q for q in range(3, p, 2))):
        yield prime, frozenset(pow(65537, power, prime) for power in range(prime - 1))


_SUBGROUPS: Final = tuple((prime, group) for prime, group in _subgroups() if len(group) < prime - 1)


def _is_roca(modulus: int) -> bool:
    """Whether the modulus is a power of 65537 modulo every small prime, as those of the weak generator are.

    A sound key looks so once in 2^27 (Nemec et al., "The Return of Coppersmith's Attack", 2017, section 4).
    """
    return all(modulus % prime in group for prime, group in _SUBGROUPS)
