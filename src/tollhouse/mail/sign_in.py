"""The mail that signs somebody in: a link and a code."""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from tollhouse.colors import contrast, parse, text_on
from tollhouse.mail.address import check_address, clean_line
from tollhouse.mail.errors import MailInvalid
from tollhouse.mail.message import Mail

SITE_NAME_LENGTH_MAX: Final = 80
ASKED_FROM_LENGTH_MAX: Final = 120

_LIGHT_GROUND: Final = "#ffffff"
_DARK_GROUND: Final = "#1b1d22"
_EDGE: Final = "#808080"  # stands out on both grounds
_EDGE_CONTRAST_MIN: Final = 1.5
_LINK: Final = re.compile(r"https?://[!-~]+")
_CODE: Final = re.compile(r"[0-9]{6}")


def sign_in_mail(
    *,
    to: str,
    link: str,
    code: str,
    lifetime_seconds: int,
    site_name: str,
    site_color: str,
    asked_from: str,
    message_id: str,
) -> Mail:
    """The mail with the link and the six-digit code, saying how long both live and from where they were asked.

    `asked_from` is shown to whoever owns the address and may be a stranger's doing: pass words of our own choosing
    ("Chrome on Windows, 203.0.113.7"), never a User-Agent header as it came. Raises MailInvalid.
    """
    site = clean_line(site_name, length_max=SITE_NAME_LENGTH_MAX)
    if not site:
        raise MailInvalid("The site's name is empty.")
    color = parse(site_color)
    if color is None:  # anything else is a way into CSS
        raise MailInvalid("A colour is written #rgb or #rrggbb.")
    values = {
        "link": _check(_LINK, link, "link"),
        "code": _check(_CODE, code, "code"),
        "lifetime": say_duration(lifetime_seconds),
        "site": site,
        "asked_from": clean_line(asked_from, length_max=ASKED_FROM_LENGTH_MAX),
        "color": color,
        "color_text": text_on(color),
        "color_edge": _edge_of(color),
    }
    return Mail(
        to=check_address(to),
        subject=f"Sign in to {site}",  # no code here: a subject shows on locked screens and in push notifications
        text=_templates().get_template("sign_in.txt").render(values),
        html=_templates().get_template("sign_in.html").render(values),
        message_id=message_id,
    )


def say_duration(seconds: int) -> str:
    """The duration in words, exact: `10 minutes`, `1 hour 30 minutes`, `90 seconds`."""
    minutes, rest = divmod(seconds, 60)
    if rest or not minutes:
        return _count(seconds, "second")
    hours, minutes = divmod(minutes, 60)
    parts = [_count(number, unit) for number, unit in ((hours, "hour"), (minutes, "minute")) if number]
    return " ".join(parts)


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"


def _check(pattern: re.Pattern[str], value: str, name: str) -> str:
    if pattern.fullmatch(value) is None:
        raise MailInvalid(f"The {name} is not one that a mail can carry.")
    return value


def _edge_of(color: str) -> str:
    """The button's border: a grey one where the brand's colour would vanish into the light or the dark ground."""
    vanishes = min(contrast(color, _LIGHT_GROUND), contrast(color, _DARK_GROUND)) < _EDGE_CONTRAST_MIN
    return _EDGE if vanishes else color


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("tollhouse.mail"),
        autoescape=select_autoescape(enabled_extensions=("html",), default_for_string=True, default=False),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
