"""Addresses from the standards' own test sets and from nowhere: one mailbox each, or a refusal."""

from __future__ import annotations

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.hostile.gate import ask, redeem, running, who
from tests.support.testdata import require_testdata
from tollhouse.identity import addresses
from tollhouse.identity.errors import EmailInvalid
from tollhouse.mail.address import check_address

DATA = require_testdata("security", "email")


def cases(name: str) -> list[dict[str, Any]]:
    return json.loads((DATA / f"{name}.json").read_text())["cases"]


def parse(text: object) -> str | None:
    try:
        return addresses.parse(text)
    except EmailInvalid:
        return None


@pytest.mark.parametrize("case", cases("isemail_tests"), ids=lambda case: str(case["id"]))
def test_what_rfc_5321_calls_an_error_is_refused_and_what_is_plain_is_taken(case: dict[str, Any]) -> None:
    text, category = case["address"], case["category"]
    parsed = parse(text)
    if category == "ISEMAIL_ERR":
        assert parsed is None
    elif category == "ISEMAIL_VALID_CATEGORY":
        assert parsed == text.lower()
    else:
        assert parsed in {None, text.strip(" \t").lower()}, "never mailed to another mailbox than was typed"


@pytest.mark.parametrize("case", cases("idna_test_v2"), ids=lambda case: ascii(case["input"])[:60])
def test_an_international_domain_becomes_its_one_a_label_or_is_refused(case: dict[str, Any]) -> None:
    parsed = parse(f"alice@{case['input']}")
    assert parsed in {None, f"alice@{case['output']}"}
    if case["output"] is None:
        assert parsed is None


def test_usual_international_domains_are_taken() -> None:
    assert parse("alice@bücher.example") == "alice@xn--bcher-kva.example"
    assert parse("Alice@BÜCHER.example") == "alice@xn--bcher-kva.example"
    assert parse("alice@xn--bcher-kva.example") == "alice@xn--bcher-kva.example"
    assert parse("alice@例え.テスト") == "alice@xn--r8jz45g.xn--zckzah"


VICTIM_LOCAL, VICTIM_DOMAIN = "alice.keller", "mail.example.com"


def look_alikes(case: dict[str, Any]) -> list[tuple[str, str]]:
    """Each `(typed, victim)` where a character stands for the ASCII text it collides with."""
    found: list[tuple[str, str]] = []
    for image in set(case["images"].values()):
        for victim in (f"{VICTIM_LOCAL}@{VICTIM_DOMAIN}", f"a{image}b@example.com", f"alice@x{image}y.example.com"):
            if image in victim:
                at = victim.index(image)
                found.append((victim[:at] + case["char"] + victim[at + len(image) :], victim.lower()))
    return found


@pytest.mark.parametrize("case", cases("unicode_ascii_collisions"), ids=lambda case: case["cp"])
def test_a_look_alike_of_ascii_is_refused_or_somebody_else(case: dict[str, Any]) -> None:
    for typed, victim in look_alikes(case):
        parsed = parse(typed)
        assert parsed != victim, ascii(typed)
        if parsed is not None:
            assert parsed.count("@") == 1
            assert parsed.isascii()
            assert check_address(parsed) == parsed


async def test_a_look_alike_never_signs_in_to_the_victims_account(migrated_database_url: str) -> None:
    collisions = [typed for case in cases("unicode_ascii_collisions") for typed, _ in look_alikes(case)[:1]]
    async with running(migrated_database_url, limit_mails_per_address_per_hour=100_000) as gate:
        mallory = gate.browser()
        for typed in [
            *collisions[::12],
            "alice@exampleſ.com",
            "alice@ｅxample.com",
            "alice@example.com\x00.evil.example",
        ]:
            reply = await ask(mallory, typed)
            assert reply.status_code in {202, 422}
        for letter in await gate.letters():
            assert letter.to.isascii()
            assert "xn--" in letter.to, "an ASCII name of somebody"
            visitor = gate.browser()
            await redeem(visitor, letter.token)
            assert await who(visitor) in {letter.to, None}


REFUSED: list[Any] = [
    "alice@example.com,bob@example.com",
    "alice@example.com bob@example.com",
    "alice@example.com;bob@example.com",
    '"alice"@example.com',
    "alice(comment)@example.com",
    "Alice <alice@example.com>",
    "<alice@example.com>",
    "alice@[127.0.0.1]",
    "alice@example.com\r\nBcc: bob@example.com",
    "alice@example.com%0d%0aBcc:bob@example.com",
    "alice@exam\nple.com",
    "alice\x00@example.com",
    "alice@@example.com",
    "@example.com",
    "alice@",
    "alice",
    "",
    "alice@localhost",
    "alice@.com",
    "alice@example..com",
    ".alice@example.com",
    "alice.@example.com",
    "a..b@example.com",
    "álice@example.com",
    "alice@-example.com",
    "alice@example.com\u200b",
    "\ufeffalice@example.com",
    "alice@exa mple.com",
    f"{'a' * 65}@example.com",
    f"a@{'b' * 64}.com",
    f"a@{'b.' * 130}com",
    "\ud800@example.com",
    "alice@\udfff.com",
    ["alice@example.com"],
    ["alice@example.com", "mallory@example.com"],
    {"email": "alice@example.com"},
    None,
    1,
    True,
]


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text)[:50])
def test_whatever_is_not_one_plain_mailbox_is_refused(text: Any) -> None:
    assert parse(text) is None


def test_dots_and_tags_are_kept_and_case_is_not() -> None:
    assert parse("  Alice.Keller+News@Example.COM ") == "alice.keller+news@example.com"


local_parts = st.text(alphabet="abAB.+-_!#'", min_size=1, max_size=12)
characters = st.one_of(st.characters(), st.sampled_from('@.,;<>()[]"\\ \t\r\n\x00İıſKﬃ．。＠\u200d\u00ad\u0130\u0307'))
domains = st.lists(st.text(characters, min_size=1, max_size=8), min_size=1, max_size=3).map(".".join)
anything = st.one_of(st.text(characters, max_size=40), st.builds("{}@{}".format, local_parts, domains))


@given(anything)
@example("a@İ.com")
@example("a@ß.de")
@example("a@xn--.com")
@example("a@\u2024.com")
def test_any_text_is_refused_or_has_one_spelling(text: str) -> None:
    parsed = parse(text)
    if parsed is None:
        return
    assert parse(parsed) == parsed, "idempotent"
    assert parsed.isascii()
    assert parsed == parsed.lower()
    assert parsed.count("@") == 1
    assert check_address(parsed) == parsed, "what is stored can be mailed, as it is"
    assert unicodedata.normalize("NFKC", parsed).casefold() == parsed, "no later folding makes it somebody else's"
    if text.strip(" \t").isascii():
        assert parsed == text.strip(" \t").lower(), "what was typed in ASCII is what is mailed"


@given(local_parts, domains, domains)
def test_two_domains_that_dns_tells_apart_stay_two(local: str, one: str, other: str) -> None:
    first, second = parse(f"{local}@{one}"), parse(f"{local}@{other}")
    if first is None or second is None or first != second:
        return
    folded = [unicodedata.normalize("NFKC", domain.strip(" \t")).casefold() for domain in (one, other)]
    assert folded[0] == folded[1] or "xn--" in first, "equal only where Unicode itself calls them equal"


@given(st.one_of(st.none(), st.integers(), st.booleans(), st.lists(st.text()), st.dictionaries(st.text(), st.text())))
def test_what_is_no_text_is_refused(value: object) -> None:
    assert parse(value) is None
