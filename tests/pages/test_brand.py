"""The brand's colour stays readable, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse import colors
from tollhouse.errors import SettingsError
from tollhouse.pages import Brand
from tollhouse.pages.brand import custom_properties, dark_palette, icon_svg, light_palette

SHOWN_ON = {
    "ink": ("wash", "ground", "card"),
    "soft": ("ground", "card"),
    "link": ("ground", "card"),
    "danger": ("card",),
}
any_color = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


@pytest.mark.parametrize(
    ("one", "other", "ratio"),
    [
        ("#000000", "#ffffff", 21.0),
        ("#777777", "#ffffff", 4.48),
        ("#ff0000", "#ffffff", 4.0),
        ("#123456", "#123456", 1),
    ],
)
def test_contrast_is_the_ratio_that_wcag_defines(one: str, other: str, ratio: float) -> None:
    assert colors.contrast(one, other) == pytest.approx(ratio, abs=0.005)
    assert colors.contrast(other, one) == colors.contrast(one, other)


@given(any_color)
def test_every_text_can_be_read_in_both_schemes(color: str) -> None:
    for palette in (light_palette(Brand("Acme", color)), dark_palette(Brand("Acme", color))):
        for text, grounds in SHOWN_ON.items():
            for ground in grounds:
                assert colors.contrast(palette[text], palette[ground]) >= 4.5, (text, ground, palette)
        for text, button in (("on-fill", "fill"), ("on-fill", "fill-hover"), ("on-danger", "danger")):
            assert colors.contrast(palette[text], palette[button]) >= 4.5, (text, button, palette)
        assert colors.contrast(palette["on-danger"], palette["danger-hover"]) >= 4.5


@given(any_color)
def test_every_control_can_be_seen_in_both_schemes(color: str) -> None:
    for palette in (light_palette(Brand("Acme", color)), dark_palette(Brand("Acme", color))):
        for edge in ("edge", "rim", "link"):
            assert colors.contrast(palette[edge], palette["card"]) >= 3, (edge, palette)


def test_a_colour_that_reads_already_is_left_as_it_is() -> None:
    palette = light_palette(Brand("Acme", "#2F5D8A"))
    assert palette["fill"] == palette["link"] == palette["rim"] == "#2f5d8a"
    assert palette["on-fill"] == "#ffffff"


@pytest.mark.parametrize(
    "color", ["", "red", "#12345", "#1234567", "#12345g", "#fff;}*{", "#fff\n", "url(x)", "#１２３"]
)
def test_anything_but_a_hex_colour_is_refused(color: str) -> None:
    with pytest.raises(SettingsError, match="colour"):
        Brand("Acme", color)


@pytest.mark.parametrize("name", ["", "  ", "a" * 65, "Acme\nInc", "Ac\x00me", "Acme\u202e"])
def test_a_name_that_no_page_could_show_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="name"):
        Brand(name, "#fff")


def test_both_problems_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        Brand("", "")
    assert len(caught.value.problems) == 2


@pytest.mark.parametrize(
    ("name", "initial"), [("acme", "A"), ("  élan", "É"), ("<b>", "B"), ("7th", "7"), ("***", "•"), ("ßig", "S")]
)
def test_the_mark_is_the_first_letter(name: str, initial: str) -> None:
    assert Brand(name, "#fff").initial == initial
    assert f">{initial}</text>" in icon_svg(Brand(name, "#fff"))


def test_a_short_colour_is_written_out() -> None:
    assert "--fill:#00aa33" not in custom_properties(Brand("Acme", "#fff"))
    assert colors.parse("#0A3") == "#00aa33"
