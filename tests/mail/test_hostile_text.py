from __future__ import annotations

import re

from tests.mail.samples import ALICE, HEADERS, Connect, Page, Start, cases_of, parse, write_mail
from tests.support.testdata import require_testdata
from tollhouse.mail.address import clean_line
from tollhouse.mail.errors import MailInvalid

XSS: list[str] = cases_of(require_testdata("security", "xss", "xss_payloads.json"))
NASTY: list[str] = [
    *cases_of(require_testdata("security", "crlf", "crlf_injection.json")),
    *cases_of(require_testdata("security", "naughty", "blns.json")),
    *(f"x\r\n{header}: evil@evil.test" for header in ("Bcc", "To", "Subject")),
    "x\r\n.\r\nMAIL FROM:<mallory@evil.test>",
]


def test_no_nasty_string_adds_a_header_or_a_recipient() -> None:
    for nasty in NASTY:
        try:
            mail = write_mail(site_name=nasty, asked_from=nasty)
        except MailInvalid:
            assert not clean_line(nasty, length_max=80)
            continue
        message = parse(mail)
        assert sorted(message.keys()) == sorted(HEADERS)
        assert [each.addr_spec for each in message["To"].addresses] == [ALICE]
        assert not message.defects


async def test_a_nasty_name_reaches_one_recipient_under_the_same_headers(start: Start, connect: Connect) -> None:
    office = await start(auth=False)
    transport = connect(office.port)
    sent = 0
    for nasty in NASTY:
        if clean_line(nasty, length_max=80):
            await transport.send(write_mail(site_name=nasty, asked_from=nasty))
            sent += 1
    assert len(office.mails) == sent
    for mail in office.mails:
        assert mail.recipients == [ALICE]
        assert sorted(mail.message.keys()) == sorted(HEADERS)


def test_a_nasty_subject_is_sent_as_it_is_or_refused() -> None:
    for nasty in NASTY:
        try:
            message = parse(write_mail(subject=nasty))
        except MailInvalid:
            continue
        assert message["Subject"].strip() == nasty.strip()
        assert sorted(message.keys()) == sorted(HEADERS)


def test_no_payload_becomes_markup() -> None:
    harmless = write_mail().html
    tags = [(tag, sorted(attributes)) for tag, attributes in Page(harmless).tags]
    for payload in filter(str.strip, XSS):
        html = write_mail(asked_from=payload, site_name=payload).html
        assert [(tag, sorted(attributes)) for tag, attributes in Page(html).tags] == tags
        if re.search(r"[<>\"'&]", payload):
            assert html.count(payload) == harmless.count(payload)
