"""The guide: pages in Markdown, and their text."""

from __future__ import annotations

import re
from pathlib import Path

FOLDER = Path(__file__).parent

PAGES = (
    "keys",
    "commands",
    "any-problem",
    "watch-and-steer",
    "race",
    "logs",
    "what-is-said",
    "over-ssh",
    "recording",
    "how-it-is-built",
    "how-it-is-measured",
)
"""The pages in the order in which they are read; ``index`` links to them."""

IMAGE = re.compile(r"^!\[.*\n\n?", re.MULTILINE)


def page_text(page: str = "index") -> str:
    """Return a page as Markdown, without its pictures: those are for a browser.

    Raises:
        ValueError: there is no such page; names the pages.
    """
    if page not in (*PAGES, "index"):
        raise ValueError(f"the guide has no page {page[:24]!r}; there are {', '.join(PAGES)}")
    return IMAGE.sub("", (FOLDER / f"{page}.md").read_text(encoding="utf-8"))


def plain_text(page: str) -> str:
    """Return the words of a page in one line, without the marks of Markdown, to be searched."""
    return " ".join(re.sub(r"[`*]|\[(?=[^]]*\]\()|\]\([^)]*\)", "", page_text(page)).split())
