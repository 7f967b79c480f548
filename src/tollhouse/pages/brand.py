"""The site's name and colour, and everything on a page that follows from them."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Final

from tollhouse import colors
from tollhouse.errors import SettingsError

NAME_LENGTH_MAX: Final = 64
DARK_LINK_CONTRAST_MIN: Final = 6.5  # light on dark looks thinner than the ratio says

Palette = dict[str, str]

# Neutral grounds; a little of the brand is stirred into them so that each site's pages have its own air.
_LIGHT: Final[Palette] = {
    "ink": "#1a1b1e", "soft": "#56585f", "line": "#dedfe2", "edge": "#7d8088",
    "danger": "#b3261e", "danger-hover": "#8f1d17", "on-danger": "#ffffff",
}  # fmt: skip
_DARK: Final[Palette] = {
    "ink": "#ededf0", "soft": "#b0b2b9", "line": "#383a40", "edge": "#8b8e97",
    "danger": "#f49a92", "danger-hover": "#f9bdb7", "on-danger": "#000000",
}  # fmt: skip


@dataclass(frozen=True)
class Brand:
    """Whose pages these are: the site's name and its colour as `#rgb` or `#rrggbb`."""

    name: str
    color: str

    def __post_init__(self) -> None:
        """Refuse a name or colour that no page could show; raises `SettingsError` with every problem."""
        problems: list[str] = []
        if not self.name.strip() or len(self.name) > NAME_LENGTH_MAX or not self.name.isprintable():
            problems.append(f"The brand's name must be 1 to {NAME_LENGTH_MAX} printable characters.")
        if colors.parse(self.color) is None:
            problems.append("The brand's colour must be written as #rrggbb, for example #2f5d8a.")
        if problems:
            raise SettingsError(problems)

    @property
    def initial(self) -> str:
        """The letter on the brand's mark: the first letter or digit of the name."""
        return next((letter.upper()[:1] for letter in self.name if letter.isalnum()), "•")


def light_palette(brand: Brand) -> Palette:
    """The colours of the light scheme by the name of their CSS custom property."""
    color = _color(brand)
    grounds = {
        "ground": colors.mix("#fbfaf9", color, 0.06),
        "wash": colors.mix("#fbfaf9", color, 0.17),
        "card": colors.WHITE,
    }
    return grounds | _LIGHT | _brand_shades(color, grounds, toward=colors.BLACK)


def dark_palette(brand: Brand) -> Palette:
    """The colours of the dark scheme by the name of their CSS custom property."""
    color = _color(brand)
    grounds = {
        "ground": colors.mix("#0f1012", color, 0.05),
        "wash": colors.mix("#0f1012", color, 0.16),
        "card": colors.mix("#191a1d", color, 0.05),
    }
    return grounds | _DARK | _brand_shades(color, grounds, toward=colors.WHITE)


def custom_properties(brand: Brand) -> str:
    """The CSS that sets both palettes: the stylesheet proper names no brand colour."""
    return (
        f":root{{color-scheme:light dark;{_declarations(light_palette(brand))}}}\n"
        f"@media (prefers-color-scheme:dark){{:root{{{_declarations(dark_palette(brand))}}}}}\n"
    )


def icon_svg(brand: Brand) -> str:
    """The mark for the browser's tab: the brand's first letter on its colour."""
    color = _color(brand)
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">'
        f'<rect width="32" height="32" rx="9" fill="{color}"/>'
        '<text x="16" y="22.5" text-anchor="middle" font-family="system-ui,sans-serif" font-size="18" '
        f'font-weight="700" fill="{colors.text_on(color)}">{escape(brand.initial)}</text></svg>\n'
    )


def _brand_shades(color: str, grounds: Palette, *, toward: str) -> Palette:
    """The brand's own colour for what is filled with it, and shades of it where its own would not be seen or read."""
    backgrounds = (grounds["ground"], grounds["card"])
    link_contrast = colors.TEXT_CONTRAST_MIN if toward == colors.BLACK else DARK_LINK_CONTRAST_MIN
    on_fill = colors.text_on(color)
    away = colors.BLACK if on_fill == colors.WHITE else colors.WHITE  # hovering never costs contrast
    return {
        "link": colors.readable(color, backgrounds=backgrounds, toward=toward, contrast_min=link_contrast),
        "fill": color,
        "fill-hover": colors.mix(color, away, 0.16),
        "on-fill": on_fill,
        # Around the fill: a yellow button on white, or a navy one on black, still has a shape.
        "rim": colors.readable(color, backgrounds=backgrounds, toward=toward, contrast_min=colors.EDGE_CONTRAST_MIN),
    }


def _declarations(palette: Palette) -> str:
    return ";".join(f"--{name}:{value}" for name, value in palette.items())


def _color(brand: Brand) -> str:
    color = colors.parse(brand.color)
    assert color is not None, "Brand lets no other colour in"
    return color
