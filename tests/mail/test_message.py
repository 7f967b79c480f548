from __future__ import annotations

from email.message import EmailMessage
from typing import cast

import pytest
from aiosmtplib.email import quote_address
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.mail.samples import ALICE, HEADERS, NOW_US, SENDER, parse, write_mail
from tollhouse.mail.address import Sender, check_address, clean_line
from tollhouse.mail.errors import MailInvalid
from tollhouse.mail.message import Mail, compose


def test_the_headers_are_these_and_no_others() -> None:
    message = parse(write_mail())
    assert message["From"] == "Acme <no-reply@acme.test>"
    assert message["To"] == ALICE
    assert message["Subject"] == "Sign in to Acme"
    assert message["Date"] == "Mon, 21 Sep 2026 14:13:20 +0000"
    assert message["Message-ID"] == "<out_01JD@acme.test>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["X-Auto-Response-Suppress"] == "All"
    assert sorted(message.keys()) == sorted(HEADERS)


def test_text_comes_first_and_html_second_and_both_survive() -> None:
    mail = write_mail(site_name="Café Zoë 日本")
    message = parse(mail)
    assert message.get_content_type() == "multipart/alternative"
    text, html = cast("list[EmailMessage]", list(message.iter_parts()))
    assert text.get_content_type() == "text/plain"
    assert html.get_content_type() == "text/html"
    assert text.get_content().splitlines() == mail.text.splitlines()
    assert html.get_content().splitlines() == mail.html.splitlines()
    assert message["Subject"] == "Sign in to Café Zoë 日本"


def test_a_retry_carries_the_same_message_id() -> None:
    first = compose(write_mail(), sender=SENDER, now_us=NOW_US)
    second = compose(write_mail(), sender=SENDER, now_us=NOW_US + 60_000_000)
    ids = [line for mail in (first, second) for line in mail.split(b"\r\n") if line.startswith(b"Message-ID:")]
    assert ids == [b"Message-ID: <out_01JD@acme.test>"] * 2


@pytest.mark.parametrize(
    "address",
    [
        "",
        "alice",
        "alice@",
        "@acme.test",
        "alice@acme.test,bob@acme.test",
        "alice@acme.test, bob@acme.test",
        "Alice <alice@acme.test>",
        "<alice@acme.test>",
        "alice@acme.test\r\nBcc: mallory@evil.test",
        "alice@acme.test\n",
        "alice\x00@acme.test",
        "alice@acme.test ",
        "alice @acme.test",
        "alice(comment)@acme.test",
        '"alice"@acme.test',
        '"a@b,c"@acme.test',
        "alice@[127.0.0.1]",
        "alice@büro.test",
        "alíce@acme.test",
        "alice@bob@acme.test",
        "alice..x@acme.test",
        ".alice@acme.test",
        "alice@-acme.test",
        "alice@acme..test",
        "alice@acme.test.",
        "group:alice@acme.test;",
        "a" * 65 + "@acme.test",
        "alice@" + "a" * 64 + ".test",
        "alice@" + ".".join(["a" * 60] * 5),
    ],
)
def test_anything_but_one_plain_mailbox_is_refused_and_not_quoted(address: str) -> None:
    mail = Mail(to=address, subject="s", text="t", html="h", message_id="m")
    with pytest.raises(MailInvalid) as caught:
        compose(mail, sender=SENDER, now_us=NOW_US)
    assert not address or address not in str(caught.value)


_local = st.from_regex(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,20}){0,2}", fullmatch=True
)
_domain = st.from_regex(r"[a-z0-9]{1,20}(-[a-z0-9]{1,20})?(\.[a-z0-9]{1,20}){1,3}", fullmatch=True)


@settings(max_examples=40)
@given(_local, _domain)
def test_every_accepted_address_arrives_unchanged_in_header_and_envelope(local: str, domain: str) -> None:
    address = check_address(f"{local}@{domain}")
    message = parse(Mail(to=address, subject="s", text="t", html="h", message_id="m"))
    assert [each.addr_spec for each in message["To"].addresses] == [address]
    assert quote_address(address) == f"<{address}>"


@pytest.mark.parametrize(
    "subject", ["", "a\r\nBcc: x@y.test", "a\nb", "a\rb", "a\x00b", "a\u2028b", "\ud800", "x" * 201]
)
def test_a_subject_that_could_become_headers_is_refused(subject: str) -> None:
    with pytest.raises(MailInvalid):
        compose(Mail(to=ALICE, subject=subject, text="t", html="h", message_id="m"), sender=SENDER, now_us=NOW_US)


@pytest.mark.parametrize("message_id", ["", "a b", "a>", "a\r\nX: y", "a@b", ".a", "é", "m" * 129])
def test_a_message_id_that_could_become_headers_is_refused(message_id: str) -> None:
    with pytest.raises(MailInvalid):
        compose(Mail(to=ALICE, subject="s", text="t", html="h", message_id=message_id), sender=SENDER, now_us=NOW_US)


def test_text_that_cannot_be_encoded_is_refused() -> None:
    with pytest.raises(MailInvalid):
        compose(Mail(to=ALICE, subject="s", text="\ud800", html="h", message_id="m"), sender=SENDER, now_us=NOW_US)


@pytest.mark.parametrize(
    ("text", "name", "address"),
    [
        ("no-reply@acme.test", "", "no-reply@acme.test"),
        ("Acme <no-reply@acme.test>", "Acme", "no-reply@acme.test"),
        ('"Acme, Inc." <no-reply@acme.test>', "Acme, Inc.", "no-reply@acme.test"),
        ("Acme, Inc. <no-reply@acme.test>", "Acme, Inc.", "no-reply@acme.test"),
        ("Café Zoë <no-reply@acme.test>", "Café Zoë", "no-reply@acme.test"),
    ],
)
def test_a_sender_is_read_and_written(text: str, name: str, address: str) -> None:
    assert Sender.parse(text) == Sender(name=name, address=address)
    (author,) = parse(write_mail(), text)["From"].addresses
    assert (author.display_name, author.addr_spec) == (name, address)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Acme",
        "Acme <>",
        "Acme <a@b.test> <c@d.test>",
        "a@b.test, c@d.test",
        "A\r\nBcc: x <a@b.test>",
        "A\tB <a@b.test>",
    ],
)
def test_a_sender_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(MailInvalid):
        Sender.parse(text)


def test_the_repr_shows_the_id_alone() -> None:
    assert repr(write_mail()) == "Mail(message_id='out_01JD')"


def test_a_cleaned_line_is_one_line_and_keeps_what_people_write() -> None:
    assert clean_line(" a\r\nb\tc\x00d\u2028e\u202ef ", length_max=80) == "a b c d ef"
    assert clean_line("\u0645\u06cc\u200c\u062e 👩\u200d🚀", length_max=80) == "\u0645\u06cc\u200c\u062e 👩\u200d🚀"
    assert clean_line("x" * 90, length_max=80) == "x" * 79 + "…"
