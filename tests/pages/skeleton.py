"""A page reduced to its tags, to tell words from markup."""

from __future__ import annotations

from html.parser import HTMLParser


class Skeleton(HTMLParser):
    """The tags and attribute names of a page, text left out."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.values: list[tuple[str, str, str]] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))
        self.values.extend((tag, name, value or "") for name, value in attrs)
