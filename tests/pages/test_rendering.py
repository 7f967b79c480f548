"""Pages say what they are given, and nothing more."""

from __future__ import annotations

import re
from hashlib import sha256
from pathlib import Path

import pytest
from jinja2 import UndefinedError

from tollhouse.errors import NotFound
from tollhouse.pages import Action, Brand, Pages
from tollhouse.pages.rendering import is_web_address

from .samples import Sample, samples
from .skeleton import Skeleton

PAGE_BYTES_MAX = 16_000  # uncompressed, stylesheet, script and icon included
PAGES = Pages(Brand("Harbour Notes", "#2f5d8a"))
SAMPLES = list(samples())


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_missing_value_is_an_error(sample: Sample) -> None:
    for left_out in sample.context:
        context = {name: value for name, value in sample.context.items() if name != left_out}
        if (sample.template, left_out) == ("check_your_email.html", "tries_left"):
            context["error"] = "It is only asked for beside an error."
        with pytest.raises(UndefinedError):
            PAGES.render(sample.template, **context)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_every_page_has_its_bones(sample: Sample) -> None:
    html = PAGES.render(sample.template, **sample.context)
    tags = [tag for tag, _ in Skeleton(html).tags]
    assert html.startswith('<!doctype html>\n<html lang="en">')
    for once in ("title", "main", "header", "h1"):
        assert tags.count(once) == 1, once
    assert re.search(r"<title>[^<]+ · Harbour Notes</title>", html)


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_page_has_nothing_inline_and_nothing_foreign(sample: Sample) -> None:
    skeleton = Skeleton(PAGES.render(sample.template, **sample.context))
    assert not [tag for tag, _ in skeleton.tags if tag == "style"]
    for tag, names in skeleton.tags:
        assert tag != "script" or "src" in names
        assert not [name for name in names if name.startswith("on") or name == "style"]
    for tag, name, value in skeleton.values:
        if (tag, name) in {("script", "src"), ("link", "href"), ("form", "action"), ("iframe", "src")}:
            assert value.startswith("/")
        assert tag != "form" or name != "method" or value == "post"


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_a_page_with_all_it_loads_is_light(sample: Sample) -> None:
    html = PAGES.render(sample.template, **sample.context)
    loaded = {value for _, name, value in Skeleton(html).values if name in ("href", "src") and "/auth/static/" in value}
    size = len(html.encode()) + sum(len(PAGES.asset(_name_of(address)).body) for address in loaded)
    assert size < PAGE_BYTES_MAX


def test_an_asset_is_found_by_the_address_on_the_page() -> None:
    html = PAGES.render("callback.html")
    addresses = re.findall(r'"(/auth/static/[^"]+)"', html)
    assert sorted(_name_of(address) for address in addresses) == [
        "callback.js",
        "forms.js",
        "icon.svg",
        "tollhouse.css",
    ]
    for address in addresses:
        asset = PAGES.asset(_name_of(address))
        version = address.partition("?v=")[2]
        assert version == asset.version == sha256(asset.body).hexdigest()[:12]
        assert asset.etag == f'"{version}"'
        assert asset.cache_control(version) == "public, max-age=31536000, immutable"


def test_an_asset_asked_for_by_another_version_is_not_kept() -> None:
    asset = PAGES.asset("tollhouse.css")
    assert asset.cache_control("0" * 12) == asset.cache_control(None) == "no-cache"


def test_another_brand_is_another_version() -> None:
    other = Pages(Brand("Acme", "#b3541e"))
    assert other.asset("tollhouse.css").version != PAGES.asset("tollhouse.css").version
    assert other.asset("callback.js") == PAGES.asset("callback.js")
    assert b"#b3541e" in other.asset("tollhouse.css").body


def test_media_types() -> None:
    types = {
        name: PAGES.asset(name).media_type.partition(";")[0] for name in ("tollhouse.css", "callback.js", "icon.svg")
    }
    assert types == {"tollhouse.css": "text/css", "callback.js": "text/javascript", "icon.svg": "image/svg+xml"}


@pytest.mark.parametrize("name", ["", "missing.css", "../templates/base.html", "tollhouse.css\x00", "TOLLHOUSE.CSS"])
def test_there_is_no_other_asset(name: str) -> None:
    with pytest.raises(NotFound):
        PAGES.asset(name)


def test_every_custom_property_of_the_stylesheet_is_set() -> None:
    css = PAGES.asset("tollhouse.css").body.decode()
    used = set(re.findall(r"var\(--([a-z-]+)\)", css))
    light, dark = (set(re.findall(r"--([a-z-]+):#", line)) for line in css.splitlines()[:2])
    assert used <= light == dark


def test_a_template_of_another_folder_extends_ours(tmp_path: Path) -> None:
    (tmp_path / "more.html").write_text('{% extends "account.html" %}{% block more %}<p>Credits</p>{% endblock %}')
    account = next(sample for sample in SAMPLES if sample.name == "account")
    html = Pages(Brand("Acme", "#fff"), folders=[tmp_path]).render("more.html", **account.context)
    assert "<p>Credits</p>" in html
    assert "Devices" in html


def test_the_tries_left_are_told_beside_the_error() -> None:
    context = next(sample.context for sample in SAMPLES if sample.name == "check_your_email_error")
    assert "This code is not right. 3 tries left." in PAGES.render("check_your_email.html", **context)
    assert "1 try left." in PAGES.render("check_your_email.html", **{**context, "tries_left": 1})
    assert "left." not in PAGES.render("check_your_email.html", **{**context, "tries_left": None})


@pytest.mark.parametrize(
    "address",
    ["", "javascript:alert(1)", "//evil.example", "/\\evil.example", "/\t/evil.example", " /x", "data:text/html,x",
     "https:", "https://", "http:/x", "vbscript:x", "account", "https://[x", None, 7],
)  # fmt: skip
def test_an_action_leads_nowhere_odd(address: str) -> None:
    assert not is_web_address(address)
    with pytest.raises(ValueError, match=r"leads to|either href or post"):
        Action(label="Go on", href=address)


def test_an_action_has_one_target() -> None:
    with pytest.raises(ValueError, match="either"):
        Action(label="Go on", href="/a", post="/b")
    assert Action(label="Go on", href="https://app.example.com/x").post is None


def _name_of(address: str) -> str:
    return address.removeprefix("/auth/static/").partition("?")[0]
