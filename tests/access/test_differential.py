"""300 tokens through three verifiers: ours, PyJWT's and Clerk's own; every difference is known and has its reason."""

from __future__ import annotations

import base64
import hmac
import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jwt
import pytest
from clerk_backend_api.security import TokenVerificationError, VerifyTokenOptions, verify_token

from tests.access.forging import RS, Signer, finish
from tollhouse.access.errors import TokenInvalid
from tollhouse.access.issuers import clerk
from tollhouse.access.key_sources import StaticKeys
from tollhouse.access.verifier import Trusted, Verifier

PARTY = "https://app.example.com"
ISSUER = clerk("https://clerk.example.com", authorized_parties=[PARTY])
PEM = RS.key.as_pem(private=False).decode()
LEEWAY_SECONDS = 30
STRANGER = Signer("RS256", "rs")
CURVE = Signer("ES256", "rs")

OURS = Verifier.of([Trusted(ISSUER, StaticKeys.of_pem(PEM))])
CLERK = VerifyTokenOptions(jwt_key=PEM, authorized_parties=[PARTY], clock_skew_in_ms=LEEWAY_SECONDS * 1000)


def ours(token: str) -> bool:
    try:
        finish(OURS.verify(token))
    except TokenInvalid:
        return False
    return True


def pyjwts(token: str) -> bool:
    """PyJWT, told all that it can be told."""
    try:
        jwt.decode(
            token,
            PEM,
            algorithms=["RS256"],
            issuer=ISSUER.issuer,
            leeway=LEEWAY_SECONDS,
            options={"require": ["exp", "sub", "iss"]},
        )
    except jwt.PyJWTError:
        return False
    return True


def clerks(token: str) -> bool:
    try:
        verify_token(token, CLERK)
    except TokenVerificationError:
        return False
    return True


class Made:
    """A token in the making: what Clerk says of a session, with the dice's own values in it."""

    def __init__(self, dice: random.Random) -> None:
        self.dice = dice
        self.now = int(time.time())
        self.claims: dict[str, Any] = {
            "azp": PARTY,
            "exp": self.now + dice.randint(60, 3600),
            "fva": [dice.randint(-1, 60), -1],
            "iat": self.now - dice.randint(0, 600),
            "iss": ISSUER.issuer,
            "jti": f"{dice.getrandbits(80):020x}",
            "nbf": self.now - 620,
            "sid": f"sess_{dice.getrandbits(128):x}",
            "sts": "active",
            "sub": f"user_{dice.getrandbits(128):x}",
            "v": 2,
        }
        self.header: dict[str, Any] = {"cat": "cl_B7d4PD111AAA"}

    def sign(self, signer: Signer = RS, **header: Any) -> str:
        return signer.sign(self.claims, **(self.header | header))

    def with_claims(self, **changes: Any) -> str:
        self.claims = {name: value for name, value in (self.claims | changes).items() if value is not None}
        return self.sign()


def spell(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def with_shared_secret(made: Made) -> str:
    head = spell(json.dumps({"alg": "HS256", "typ": "JWT", "kid": "rs"}).encode())
    signing_input = f"{head}.{made.sign().split('.')[1]}"
    return f"{signing_input}.{spell(hmac.digest(PEM.encode(), signing_input.encode(), 'sha256'))}"


def without_signature(made: Made) -> str:
    name = made.dice.choice(["none", "None", "nOnE", "NONE"])
    head = spell(json.dumps({"alg": name, "typ": "JWT"}).encode())
    return f"{head}.{made.sign().split('.')[1]}."


def with_name_twice(made: Made) -> str:
    payload = json.dumps(made.claims)[:-1] + ', "sub": "user_mallory"}'
    return RS.sign(payload.encode())


def with_header_twice(made: Made) -> str:
    return RS.sign_bytes(b'{"alg":"none","alg":"RS256","kid":"rs"}', json.dumps(made.claims).encode())


def with_spare_bits(made: Made) -> str:
    token = made.sign()  # 256 bytes of signature: two spare bits less than a character
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + made.dice.randint(1, 3)]


def with_flipped_bit(made: Made) -> str:
    head, payload, signature = made.sign().split(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=="))
    raw[made.dice.randrange(len(raw))] ^= 1 << made.dice.randrange(8)
    return f"{head}.{payload}.{spell(bytes(raw))}"


def with_other_claims(made: Made) -> str:
    head, _, signature = made.sign().split(".")
    return f"{head}.{spell(json.dumps(made.claims | {'sub': 'user_mallory'}).encode())}.{signature}"


Verdicts = tuple[bool, bool, bool]  # ours, PyJWT's, Clerk's
ALL: Verdicts = (True, True, True)
NONE: Verdicts = (False, False, False)


@dataclass(frozen=True)
class Twist:
    """A way to twist a token, who takes what comes of it, and why not all judge alike."""

    make: Callable[[Made], str]
    taken: Verdicts
    why: str = ""


PYJWT: Verdicts = (False, True, False)
CLERK_SDK: Verdicts = (False, False, True)
BOTH: Verdicts = (False, True, True)


def says(**changes: Any) -> Callable[[Made], str]:
    """Claims that differ so; a function is asked with the time."""
    return lambda made: made.with_claims(
        **{name: value(made.now) if callable(value) else value for name, value in changes.items()}
    )


def heads(**header: Any) -> Callable[[Made], str]:
    """A header that differs so, truly signed."""
    return lambda made: made.sign(**header)


def pays(change: Callable[[str], bytes]) -> Callable[[Made], str]:
    """Claims changed as text, truly signed."""
    return lambda made: RS.sign(change(json.dumps(made.claims)))


BEARS_NO_KEY = "a key that comes with its token proves nothing, and no issuer of ours sends one"

TWISTS: dict[str, Twist] = {
    # Good ones, and what clocks and usage make of them.
    "as Clerk makes it": Twist(Made.sign, ALL),
    "as Clerk made it in version 1": Twist(says(v=None, sts=None, fva=None), ALL),
    "of a clock a little ahead": Twist(says(iat=lambda now: now + 20, nbf=lambda now: now + 20), ALL),
    "ended within the leeway": Twist(says(exp=lambda now: now - 20), ALL),
    "ends at a fraction": Twist(says(exp=lambda now: now + 100.5), ALL),
    "without a kid, for one pinned key": Twist(heads(kid=None), ALL),
    "with a strange kid, for one pinned key": Twist(heads(kid="../../dev/null"), ALL),
    "without a typ": Twist(heads(typ=None), ALL),
    # Signatures.
    "signed by a stranger": Twist(lambda made: made.sign(STRANGER), NONE),
    "signed by a stranger who brings the key": Twist(lambda made: made.sign(STRANGER, jwk=STRANGER.jwk), NONE),
    "signed with the public key as a secret": Twist(with_shared_secret, NONE),
    "not signed": Twist(without_signature, NONE),
    "a bit flipped": Twist(with_flipped_bit, NONE),
    "other claims under the signature": Twist(with_other_claims, NONE),
    "another algorithm of the same key": Twist(lambda made: made.sign(Signer("PS256", "rs", key=RS.key)), NONE),
    "another algorithm than it says": Twist(
        lambda made: made.sign(Signer("PS256", "rs", key=RS.key), alg="RS256"), NONE
    ),
    "an elliptic curve's": Twist(lambda made: made.sign(CURVE), NONE),
    # Times.
    "ended": Twist(says(exp=lambda now: now - 60), NONE),
    "never ends": Twist(says(exp=None), CLERK_SDK, "a token without an end is good for ever"),
    "ends in text": Twist(says(exp=lambda now: str(now + 100)), BOTH, "RFC 7519, 2: a NumericDate is a number"),
    "ends after all": Twist(says(exp=10**15), BOTH, "the year 31,690,708 is a slip or an attack"),
    "begins later": Twist(says(nbf=lambda now: now + 60), NONE),
    "made later": Twist(says(iat=lambda now: now + 60), NONE),
    "ends at NaN": Twist(says(exp=float("nan")), NONE),
    # For whom and of whom.
    "of another issuer": Twist(says(iss="https://mallory.example"), CLERK_SDK, "it does not look at iss"),
    "of the issuer with a slash": Twist(says(iss=ISSUER.issuer + "/"), CLERK_SDK, "it does not look at iss"),
    "of no issuer": Twist(says(iss=None), CLERK_SDK, "it does not look at iss"),
    "for another party": Twist(says(azp="https://mallory.example"), PYJWT, "azp is no concern of PyJWT"),
    "for no party": Twist(says(azp=None), PYJWT, "azp is no concern of PyJWT; Clerk's SDK for Python refuses as we do"),
    "for another audience": Twist(says(aud="convex"), NONE),
    "for an empty audience": Twist(says(aud=[]), BOTH, "an aud that names nobody does not name us (RFC 7519, 4.1.3)"),
    "of nobody": Twist(says(sub=None), CLERK_SDK, "a caller has a name"),
    "of an empty name": Twist(says(sub=""), BOTH, "a caller has a name"),
    "of a name that breaks lines": Twist(says(sub="user_1\nuser_2"), BOTH, "it goes to logs and databases"),
    "of a person who is not let in yet": Twist(says(sts="pending"), BOTH, "the session has a task open"),
    "with a jti that is no text": Twist(says(jti=7), NONE),
    "bound to a key": Twist(says(cnf={"jkt": "x"}), BOTH, "RFC 7800: whoever bears it has not proved the key"),
    "telling of a sign-out": Twist(says(events={"logout": {}}), BOTH, "RFC 8725, 3.12: another kind of token"),
    # Headers.
    "a logout token": Twist(heads(typ="logout+jwt"), BOTH, "RFC 8725, 3.11: another kind of token"),
    "a typ that is no text": Twist(heads(typ=7), BOTH, "RFC 7515, 4.1.9"),
    "crit of what is unknown": Twist(heads(crit=["exp"]), NONE),
    "crit of b64": Twist(heads(crit=["b64"], b64=True), BOTH, "nothing critical is understood here, not even this"),
    "zip": Twist(heads(zip="DEF"), BOTH, "RFC 8725, 3.6"),
    "jwk": Twist(heads(jwk=STRANGER.jwk), BOTH, BEARS_NO_KEY),
    "jku": Twist(heads(jku="https://mallory.example/jwks.json"), BOTH, BEARS_NO_KEY),
    "x5c": Twist(heads(x5c=["MIIB"]), BOTH, BEARS_NO_KEY),
    "a header with a name twice": Twist(with_header_twice, BOTH, "RFC 8725, 2.4: two parsers read two things"),
    # Spelling.
    "a claim twice": Twist(with_name_twice, BOTH, "RFC 8725, 2.4: two parsers read two people"),
    "half a character": Twist(
        pays(lambda text: text.replace("{", '{"name": "\\ud800", ', 1).encode()), BOTH, "no database stores it"
    ),
    "UTF-16": Twist(pays(lambda text: text.encode("utf-16")), BOTH, "RFC 7519, 3: claims are UTF-8"),
    "60 levels": Twist(
        pays(lambda text: (text[:-1] + ', "a": ' + "[" * 60 + "]" * 60 + "}").encode()), BOTH, "no claim is so deep"
    ),
    "over 8 KiB": Twist(says(note="x" * 7000), BOTH, "no server sends such a header on"),
    "spare bits that are set": Twist(with_spare_bits, NONE),
    "padded": Twist(lambda made: made.sign() + "==", BOTH, "RFC 7515, 2: one token has one spelling"),
    "half padded": Twist(lambda made: made.sign() + "=", NONE),
    "a line end": Twist(lambda made: made.sign() + "\n", NONE),
    "a fourth part": Twist(lambda made: made.sign() + ".e30", NONE),
    "without its end": Twist(lambda made: made.sign()[:-40], NONE),
}
SEED = 2026


def tokens() -> list[Any]:
    dice = random.Random(SEED)
    names = (list(TWISTS) * 300)[:300]
    return [pytest.param(name, dice.getrandbits(32), id=f"{name}-{number}") for number, name in enumerate(names)]


@pytest.mark.parametrize(("name", "dice"), tokens())
def test_each_verifier_judges_as_is_written_here(name: str, dice: int) -> None:
    twist = TWISTS[name]
    token = twist.make(Made(random.Random(dice)))
    assert (ours(token), pyjwts(token), clerks(token)) == twist.taken


def test_every_difference_has_its_reason_and_we_are_never_the_looser() -> None:
    assert len(TWISTS) > 25
    for name, twist in TWISTS.items():
        assert bool(twist.why) == (len(set(twist.taken)) > 1), name
        assert twist.taken == ALL or not twist.taken[0], name
