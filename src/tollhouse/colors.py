"""Colours as WCAG 2.2 sees them: luminance, contrast, and the nearest shade that can be read."""

from __future__ import annotations

import re
from typing import Final

BLACK: Final = "#000000"
WHITE: Final = "#ffffff"
TEXT_CONTRAST_MIN: Final = 4.5  # WCAG 2.2, 1.4.3
EDGE_CONTRAST_MIN: Final = 3.0  # WCAG 2.2, 1.4.11: what shows where a control is

_HEX: Final = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})", re.IGNORECASE | re.ASCII)
_STEPS: Final = 100


def parse(text: str) -> str | None:
    """The colour as `#rrggbb` in lower case, or None when `text` is not `#rgb` or `#rrggbb`."""
    if not _HEX.fullmatch(text):
        return None
    digits = text[1:].lower()
    return "#" + (digits if len(digits) == 6 else "".join(digit * 2 for digit in digits))


def contrast(one: str, other: str) -> float:
    """The contrast ratio of two `#rrggbb` colours, 1 to 21 (WCAG 2.2, contrast ratio)."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def mix(base: str, other: str, share: float) -> str:
    """`base` with `share` (0 to 1) of `other` stirred in, channel by channel in sRGB."""
    pairs = zip(_channels(base), _channels(other), strict=True)
    return "#" + "".join(f"{round(a + (b - a) * share):02x}" for a, b in pairs)


def text_on(background: str) -> str:
    """White or black, whichever reads on `background`: one of the two always reaches 4.5:1."""
    return WHITE if contrast(WHITE, background) >= TEXT_CONTRAST_MIN else BLACK


def readable(color: str, *, backgrounds: tuple[str, ...], toward: str, contrast_min: float) -> str:
    """The shade nearest to `color`, on the way to `toward`, with `contrast_min` on every background."""
    for step in range(_STEPS):
        shade = mix(color, toward, step / _STEPS)
        if all(contrast(shade, background) >= contrast_min for background in backgrounds):
            return shade
    return toward


def _luminance(color: str) -> float:
    red, green, blue = (_linear(channel / 255) for channel in _channels(color))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(value: float) -> float:
    return value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4


def _channels(color: str) -> tuple[int, int, int]:
    return int(color[1:3], 16), int(color[3:5], 16), int(color[5:7], 16)
