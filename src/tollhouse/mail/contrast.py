"""Colours that can be read on top of each other, by WCAG 2.2's arithmetic."""

from __future__ import annotations

import re
from typing import Final

from tollhouse.mail.errors import MailInvalid

BLACK: Final = "#000000"
WHITE: Final = "#ffffff"

_HEX: Final = re.compile(r"#(?:[0-9a-fA-F]{3}|[0-9a-fA-F]{6})")


def parse_color(text: str) -> str:
    """The colour as `#rrggbb`, from `#rgb` or `#rrggbb`; raises MailInvalid, for anything else is a way into CSS."""
    if _HEX.fullmatch(text) is None:
        raise MailInvalid("A colour is written #rgb or #rrggbb.")
    digits = text[1:].lower()
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def text_on(color: str) -> str:
    """Black or white, whichever is read better on `color`: never under 4.5:1, whatever the colour."""
    return max(WHITE, BLACK, key=lambda text: contrast(text, color))


def contrast(one: str, other: str) -> float:
    """How far two colours stand apart, 1 to 21 (WCAG 2.2, contrast ratio)."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(color: str) -> float:
    red, green, blue = (_linear(int(color[start : start + 2], 16) / 255) for start in (1, 3, 5))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(channel: float) -> float:
    return channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4
