"""Which device a session is on, told from its User-Agent in words of our own."""

from __future__ import annotations

from typing import Final

USER_AGENT_LENGTH_MAX: Final = 512  # longer ones are cut: no browser's is half as long

# Order decides: Edge, Opera and Samsung Internet also say Chrome, Chrome also says Safari, Android also says Linux.
_BROWSERS: Final = (
    ("Edg/", "Edge"),
    ("EdgA/", "Edge"),
    ("EdgiOS/", "Edge"),
    ("OPR/", "Opera"),
    ("OPT/", "Opera"),
    ("SamsungBrowser/", "Samsung Internet"),
    ("Vivaldi/", "Vivaldi"),
    ("YaBrowser/", "Yandex Browser"),
    ("DuckDuckGo/", "DuckDuckGo"),
    ("Ddg/", "DuckDuckGo"),
    ("FxiOS/", "Firefox"),
    ("Firefox/", "Firefox"),
    ("CriOS/", "Chrome"),
    ("Chromium/", "Chromium"),
    ("Chrome/", "Chrome"),
    ("Safari/", "Safari"),
)
_SYSTEMS: Final = (
    ("iPhone", "iPhone"),
    ("iPad", "iPad"),
    ("Android", "Android"),
    ("CrOS", "ChromeOS"),
    ("Windows", "Windows"),
    ("Macintosh", "Mac"),
    ("Linux", "Linux"),
)
_PROGRAMS: Final = (
    ("curl/", "curl"),
    ("Wget/", "Wget"),
    ("PostmanRuntime/", "Postman"),
    ("python-", "Python"),
    ("Python/", "Python"),
    ("Go-http-client/", "Go"),
    ("okhttp/", "Android app"),
)


def describe(user_agent: str) -> str:
    """Such as "Chrome on Windows", "curl" or "Unknown browser": only words of the tables above, nothing reflected."""
    text = user_agent[:USER_AGENT_LENGTH_MAX]
    for mark, program in _PROGRAMS:
        if text.startswith(mark):
            return program
    browser = next((name for mark, name in _BROWSERS if mark in text), "Unknown browser")
    system = next((name for mark, name in _SYSTEMS if mark in text), None)
    return f"{browser} on {system}" if system else browser
