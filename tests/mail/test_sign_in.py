from __future__ import annotations

import re

import pytest

from tests.mail.samples import ALICE, LINK, Page, write_mail
from tollhouse.colors import BLACK, WHITE, contrast, parse, text_on
from tollhouse.mail.errors import MailInvalid
from tollhouse.mail.sign_in import say_duration


def test_both_parts_say_what_a_person_needs() -> None:
    mail = write_mail(lifetime_seconds=600)
    for content in (mail.text, Page(mail.html).text):
        words = " ".join(content.split())
        assert LINK in words
        assert re.search(r"\b730164\b", content)
        assert "work for 10 minutes" in words
        assert "Chrome on Windows, 203.0.113.7" in words
        assert "nobody of Acme will ever ask you for it" in words
        assert "If this was not you, ignore this mail: nobody can get in without it." in words
    assert mail.to == ALICE


def test_the_subject_names_the_site_and_not_the_code() -> None:
    assert write_mail().subject == "Sign in to Acme"


def test_the_mail_loads_nothing_and_links_only_to_the_link() -> None:
    tags = Page(write_mail().html).tags
    assert {attributes["href"] for tag, attributes in tags if tag == "a"} == {LINK}
    assert not {"img", "script", "link", "iframe", "object", "form"} & {tag for tag, _ in tags}
    assert "url(" not in write_mail().html
    assert not any("src" in attributes or "background" in attributes for _, attributes in tags)


def test_where_it_was_asked_from_may_be_left_out() -> None:
    mail = write_mail(asked_from="")
    assert "Requested from" not in mail.text + mail.html


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (600, "10 minutes"),
        (60, "1 minute"),
        (90, "90 seconds"),
        (3600, "1 hour"),
        (5400, "1 hour 30 minutes"),
        (1, "1 second"),
    ],
)
def test_a_duration_is_said_exactly(seconds: int, words: str) -> None:
    assert say_duration(seconds) == words


@pytest.mark.parametrize(
    "changes",
    [
        {"link": "javascript:alert(1)"},
        {"link": "https://a.test/ x"},
        {"link": "https://a.test/\r\nx"},
        {"code": "12345"},
        {"code": "1234567"},
        {"code": "\uff11\uff12\uff13\uff14\uff15\uff16"},
        {"site_name": " \r\n"},
        {"site_color": "red"},
        {"site_color": "#fff;background:url(//evil.test)"},
        {"site_color": "#ffff"},
        {"to": "a@b.test,c@d.test"},
    ],
)
def test_values_that_do_not_belong_are_refused(changes: dict[str, str]) -> None:
    with pytest.raises(MailInvalid):
        write_mail(**changes)


def test_the_button_can_be_read_on_any_colour() -> None:
    for red in range(0, 256, 15):
        for green in range(0, 256, 15):
            for blue in range(0, 256, 51):
                color = f"#{red:02x}{green:02x}{blue:02x}"
                assert contrast(color, text_on(color)) >= 4.5


def test_contrast_is_that_of_wcag() -> None:
    assert contrast(BLACK, WHITE) == pytest.approx(21)
    assert contrast("#767676", WHITE) == pytest.approx(4.54, abs=0.01)
    assert parse("#AbC") == "#aabbcc"


def test_a_colour_that_vanishes_gets_an_edge() -> None:
    assert "1px solid #808080" in write_mail(site_color="#fffffe").html
    assert "1px solid #808080" in write_mail(site_color="#1b1d23").html
    assert "1px solid #808080" not in write_mail(site_color="#2457d6").html
