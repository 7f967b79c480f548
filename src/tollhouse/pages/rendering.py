"""Pages as text and their assets as bytes, both made for one brand."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tollhouse.errors import NotFound
from tollhouse.pages.brand import Brand, custom_properties, dark_palette, icon_svg, light_palette

ASSET_PATH: Final = "/auth/static/"
ASSET_SECONDS: Final = 31_536_000  # one year: the address changes with the content
VERSION_LENGTH: Final = 12

_HERE: Final = Path(__file__).parent
# Whole lines only, so that nothing within a string is taken for one: they are for us and need not travel.
_COMMENT: Final = re.compile(r"^ *(?://.*|/\*.*\*/)\n", re.MULTILINE)
_MEDIA_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml; charset=utf-8",
}


@dataclass(frozen=True)
class Asset:
    """A stylesheet, script or image, ready to send."""

    body: bytes
    media_type: str
    version: str

    @property
    def etag(self) -> str:
        """The strong entity tag, quotes included."""
        return f'"{self.version}"'

    def cache_control(self, version: str | None) -> str:
        """For ever when the address names this very content (`?v=`), else only after asking again.

        During a rolling update an old replica is asked for the new version: kept for ever, its answer would
        stand in for the new stylesheet for a year.
        """
        return f"public, max-age={ASSET_SECONDS}, immutable" if version == self.version else "no-cache"


@dataclass(frozen=True)
class Action:
    """A way on from a page: a link (`href`), or a button that posts `fields` to `post`."""

    label: str
    href: str | None = None
    post: str | None = None
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    primary: bool = False

    def __post_init__(self) -> None:
        """Raises `ValueError` unless there is exactly one target and it is an address a browser just opens."""
        if (self.href is None) == (self.post is None):
            raise ValueError("An action has either href or post")
        if not is_web_address(self.href or self.post):
            raise ValueError("An action leads to a path of ours or to an http(s) address")


class Pages:
    """Every page and asset of one brand."""

    def __init__(self, brand: Brand, *, folders: Sequence[Path] = ()) -> None:
        """Make the assets; `folders` hold further templates, which may extend ours."""
        self.brand = brand
        self._assets = _read_assets(brand)
        self._environment = Environment(
            loader=FileSystemLoader([_HERE / "templates", *folders]),
            autoescape=True,
            undefined=StrictUndefined,
            auto_reload=False,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._words: dict[str, Any] = {
            "brand": brand,
            "asset_url": self.asset_url,
            "is_web_address": is_web_address,
            "ground_light": light_palette(brand)["ground"],
            "ground_dark": dark_palette(brand)["ground"],
        }

    def render(self, name: str, **context: object) -> str:
        """The page `name` (`sign_in.html`) as HTML; a value its template misses raises `jinja2.UndefinedError`."""
        return self._environment.get_template(name, globals=self._words).render(context)

    def asset(self, name: str) -> Asset:
        """The asset `name` (`tollhouse.css`); raises `NotFound`."""
        try:
            return self._assets[name]
        except KeyError:
            raise NotFound from None

    def asset_url(self, name: str) -> str:
        """Where the asset is served, with the version that lets it be kept for ever."""
        return f"{ASSET_PATH}{name}?v={self.asset(name).version}"


def is_web_address(address: object) -> bool:
    """Whether a link to `address` stays with us or opens an http(s) page: never `javascript:`, `data:` and the like."""
    if not isinstance(address, str):
        return False
    if any(character <= " " or character == "\\" for character in address):
        return False  # browsers drop tabs and newlines and read \ as /
    if address.startswith("/"):
        return not address.startswith("//")
    try:
        parts = urlsplit(address)
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.netloc)


def _read_assets(brand: Brand) -> dict[str, Asset]:
    texts = {path.name: _COMMENT.sub("", path.read_text("utf-8")) for path in sorted((_HERE / "static").iterdir())}
    texts["tollhouse.css"] = custom_properties(brand) + texts["tollhouse.css"]
    texts["icon.svg"] = icon_svg(brand)
    return {name: _asset(name, text) for name, text in texts.items()}


def _asset(name: str, text: str) -> Asset:
    body = text.encode()
    return Asset(body, _MEDIA_TYPES[Path(name).suffix], sha256(body).hexdigest()[:VERSION_LENGTH])
