"""Whatever a person, a mail or a setting says, a page shows it as words."""

from __future__ import annotations

import json

from tests.support.testdata import require_testdata
from tollhouse.pages import Brand, Pages
from tollhouse.pages.rendering import is_web_address

from .samples import samples
from .skeleton import Skeleton

PAYLOADS: list[str] = json.loads(require_testdata("security/xss/xss_payloads.json").read_text("utf-8"))["cases"]
PAGES = Pages(Brand("Harbour Notes", "#2f5d8a"))
SIGN_IN = next(samples())
TWINS = {"delete_account_stale", "account_alone", "error_unavailable", "sign_in", "dev_mail_list_empty"}  # say no more


def test_hostile_words_stay_words() -> None:
    plain = {sample.name: Skeleton(PAGES.render(sample.template, **sample.context)).tags for sample in samples()}
    link = ("a", ("class", "href"))  # a hostile address is not made a link
    for payload in PAYLOADS:
        for sample in samples(lambda word, payload=payload: payload):
            if not sample.context or sample.name in TWINS:
                continue
            skeleton = Skeleton(PAGES.render(sample.template, **sample.context))
            expected = plain[sample.name]
            if sample.name == "dev_mail":
                skeleton.tags = [tag for tag in skeleton.tags if tag != link]
                expected = [tag for tag in expected if tag != link]
            assert skeleton.tags == expected, (sample.name, payload)
            for _, name, value in skeleton.values:
                if name in ("href", "src", "action"):
                    assert is_web_address(value), (sample.name, payload, value)


def test_a_hostile_brand_stays_a_name() -> None:
    for payload in PAYLOADS[::8]:
        name = "".join(character for character in payload if character.isprintable())[:64]
        if not name.strip():
            continue
        hostile = Pages(Brand(name, "#2f5d8a"))
        for template, context in (("signed_out.html", {}), ("sign_in.html", SIGN_IN.context)):
            expected = Skeleton(PAGES.render(template, **context)).tags
            assert Skeleton(hostile.render(template, **context)).tags == expected, payload
        assert hostile.asset("icon.svg").body.count(b"<") == PAGES.asset("icon.svg").body.count(b"<")
