from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest
import stripe
from hypothesis import assume, example, given
from hypothesis import strategies as st

from tests.support.testdata import require_testdata
from tollhouse.billing import signatures
from tollhouse.billing.errors import SignatureInvalid
from tollhouse.clock import SECOND

CASES: list[dict[str, Any]] = json.loads(
    require_testdata("security", "webhooks", "stripe_signed_by_library.json").read_text(encoding="utf-8")
)["cases"]
SECRET = "whsec_" + "5" * 32
OTHER = "whsec_" + "6" * 32
NOW = 1_790_000_000
EVENT = {
    "id": "evt_1",
    "object": "event",
    "type": "invoice.paid",
    "livemode": False,
    "created": NOW,
    "data": {"object": {"id": "in_1"}},
}
BODY = json.dumps(EVENT).encode()


def sign(body: bytes, secret: str = SECRET, *, at: int = NOW) -> bytes:
    return f"t={at},v1={signature(body, secret, at=at)}".encode()


def signature(body: bytes, secret: str = SECRET, *, at: int = NOW) -> str:
    return hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()


def verify(
    header: bytes | list[bytes], body: bytes = BODY, *, at: int = NOW, secrets: tuple[str, ...] = (SECRET,)
) -> Any:
    headers = [(b"stripe-signature", value) for value in ([header] if isinstance(header, bytes) else header)]
    return signatures.verify(body, [(b"host", b"x"), *headers], secrets, now_us=at * SECOND)


def is_taken(header: bytes, body: bytes = BODY, *, at: int = NOW, secrets: tuple[str, ...] = (SECRET,)) -> bool:
    try:
        signatures.check(body, [(b"stripe-signature", header)], secrets, now_us=at * SECOND)
    except SignatureInvalid:
        return False
    return True


def test_a_signed_event_is_read() -> None:
    event = verify(sign(BODY))
    assert (event.id, event.type, event.livemode, event.object_id) == ("evt_1", "invoice.paid", False, "in_1")


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["id"]))
def test_what_the_sdk_signed_is_taken_and_nothing_near_it(case: dict[str, Any]) -> None:
    body, header, at, secret = case["payload"].encode(), case["header"].encode(), case["timestamp"], case["secret"]
    taken = {"at": at, "secrets": (secret,)}
    assert is_taken(header, body, **taken)
    assert is_taken(header, body, at=at + 300, secrets=(OTHER, secret))
    assert is_taken(header, body, at=at - 300, secrets=(secret,))
    assert is_taken(header.replace(b",v1=", b",v1=" + b"0" * 64 + b",v1="), body, **taken)
    assert not is_taken(header, body, at=at + 301, secrets=(secret,))
    assert not is_taken(header, body, at=at - 301, secrets=(secret,))
    assert not is_taken(header, body, at=at, secrets=(OTHER, ""))
    assert not is_taken(header.replace(b"v1=", b"v0="), body, **taken)
    for place in range(0, len(body), max(1, len(body) // 7)):
        changed = body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]
        assert not is_taken(header, changed, **taken)


@pytest.mark.parametrize(
    "header",
    [
        b"",
        b"t=",
        b"v1=",
        f"v1={signature(BODY)}".encode(),
        f"t={NOW}".encode(),
        f"t={NOW},v1=".encode(),
        f"t={NOW},v0={signature(BODY)}".encode(),
        f"t={NOW},v1={signature(BODY)[:-1]}".encode(),
        f"t={NOW},v1={signature(BODY).upper()}".encode(),
        f"t={NOW},t={NOW},v1={signature(BODY)}".encode(),
        f"t={NOW}.0,v1={signature(BODY)}".encode(),
        f"t=+{NOW},v1={signature(BODY)}".encode(),
        f"t=0{NOW},v1={signature(BODY)}".encode(),
        f"t=-{NOW},v1={signature(BODY)}".encode(),
        b"t=" + b"9" * 400 + b",v1=" + signature(BODY).encode(),
        f"t={NOW},v1={signature(BODY)}é".encode(),
        f"t={NOW},v1={signature(BODY)},x=\xff".encode("latin-1"),
        f"t={NOW}".encode() + b",v1=0" * 16 + f",v1={signature(BODY)}".encode(),
        sign(BODY) + b",x=" + b"y" * signatures.HEADER_BYTES_MAX,
    ],
)
def test_an_odd_header_is_refused(header: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        verify(header)


def test_there_is_one_header() -> None:
    with pytest.raises(SignatureInvalid):
        verify([])
    with pytest.raises(SignatureInvalid):
        verify([sign(BODY), sign(BODY)])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"evt_1"',
        b"1",
        b"{}",
        b"{",
        b"\xff\xfe",
        BODY.replace(b"invoice", b"inv\xffice"),
        BODY.decode().encode("utf-16"),
        b"\xef\xbb\xbf" + BODY,
        BODY.replace(b'"in_1"', b"NaN"),
        BODY.replace(b'"evt_1"', b'"\\ud800"'),
        BODY.replace(b'"evt_1"', b'"a\\u0000"'),
        BODY.replace(b'"evt_1"', b"null"),
        BODY.replace(b'"event"', b'"customer"'),
        BODY.replace(b"false", b'"no"'),
        BODY.replace(str(NOW).encode(), b"9" * 5_000),
        BODY.replace(str(NOW).encode(), b"1e9"),
        BODY.replace(str(NOW).encode(), b"-1"),
        BODY.replace(b'{"id": "in_1"}', b"[]"),
        b"[" * 200_000,
        b'{"a":' * 100_000,
    ],
    ids=lambda body: repr(body[:24]),
)
def test_a_signed_body_that_is_no_event_is_refused(body: bytes) -> None:
    with pytest.raises(SignatureInvalid):
        verify(sign(body), body)


@given(
    body=st.text(max_size=40).map(str.encode),
    shift=st.integers(-400, 400),
    schemes=st.lists(st.sampled_from(["v0", "v1", "v2", "t1"]), max_size=4),
    right=st.integers(0, 4),
)
@example(body=b"", shift=300, schemes=["v1"], right=0)
@example(body=b"", shift=301, schemes=["v1"], right=0)
def test_it_agrees_with_the_sdk(body: bytes, shift: int, schemes: list[str], right: int) -> None:
    good = signature(body)
    values = [f"{scheme}={good if number == right else 'f' * 64}" for number, scheme in enumerate(schemes)]
    header = ",".join([f"t={NOW}", *values])
    assert is_taken(header.encode(), body, at=NOW + shift) == is_taken_by_the_sdk(header, body, shift)


def is_taken_by_the_sdk(header: str, body: bytes, shift: int) -> bool:
    """The SDK asks the machine's clock and lets the future pass, so the tolerance is checked apart from it."""
    if abs(shift) > 300:
        return False
    try:
        stripe.WebhookSignature.verify_header(body, header, SECRET, None)
    except stripe.SignatureVerificationError:
        return False
    return True


@given(header=st.binary(max_size=200))
def test_no_header_raises_anything_else(header: bytes) -> None:
    assume(signature(BODY).encode() not in header)
    assert not is_taken(header)
