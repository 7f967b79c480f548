"""The device's name comes from our own words, never from the header's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tollhouse.pages import describe

KHTML = "(KHTML, like Gecko)"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)"
WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64)"
ANDROID = "Mozilla/5.0 (Linux; Android 10; K)"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)"


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (f"{WINDOWS} AppleWebKit/537.36 {KHTML} Chrome/140.0.0.0 Safari/537.36", "Chrome on Windows"),
        (f"{WINDOWS} AppleWebKit/537.36 {KHTML} Chrome/140.0.0.0 Safari/537.36 Edg/140.0.0.0", "Edge on Windows"),
        (f"{MAC} AppleWebKit/537.36 {KHTML} Chrome/140.0.0.0 Safari/537.36 OPR/121.0.0.0", "Opera on Mac"),
        (f"{MAC} AppleWebKit/605.1.15 {KHTML} Version/18.5 Safari/605.1.15", "Safari on Mac"),
        (f"{IPHONE} AppleWebKit/605.1.15 {KHTML} Version/18.5 Mobile/15E148 Safari/604.1", "Safari on iPhone"),
        (f"{IPHONE} AppleWebKit/605.1.15 {KHTML} CriOS/140.0.7339.39 Mobile/15E148 Safari/604.1", "Chrome on iPhone"),
        (f"{IPHONE} AppleWebKit/605.1.15 {KHTML} FxiOS/142.0 Mobile/15E148 Safari/605.1.15", "Firefox on iPhone"),
        (f"{IPHONE} AppleWebKit/605.1.15 {KHTML} Mobile/15E148", "Unknown browser on iPhone"),
        (
            "Mozilla/5.0 (iPad; CPU OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Safari/604.1",
            "Safari on iPad",
        ),
        (f"{ANDROID} AppleWebKit/537.36 {KHTML} Chrome/140.0.0.0 Mobile Safari/537.36", "Chrome on Android"),
        (
            f"{ANDROID} AppleWebKit/537.36 {KHTML} SamsungBrowser/28.0 Chrome/130.0 Safari/537.36",
            "Samsung Internet on Android",
        ),
        ("Mozilla/5.0 (Android 15; Mobile; rv:142.0) Gecko/142.0 Firefox/142.0", "Firefox on Android"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:142.0) Gecko/20100101 Firefox/142.0", "Firefox on Linux"),
        (
            f"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 {KHTML} Chrome/140.0 Safari/537.36",
            "Chrome on ChromeOS",
        ),
        ("curl/8.5.0", "curl"),
        ("python-httpx/0.28.1", "Python"),
        ("Go-http-client/2.0", "Go"),
        ("", "Unknown browser"),
        ("<script>alert(1)</script>", "Unknown browser"),
        ("x" * 100_000 + "Firefox/1", "Unknown browser"),
    ],
)
def test_a_user_agent_is_told_in_our_words(user_agent: str, words: str) -> None:
    assert describe(user_agent) == words


@given(st.text() | st.text().map(lambda text: f"Firefox/{text} Windows {text}"))
def test_nothing_of_the_header_is_reflected(user_agent: str) -> None:
    assert set(describe(user_agent)) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ ")
