"""ASCII substitutes of the signs that lrtui shows, for terminals without Unicode."""

from __future__ import annotations

import codecs
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from typing import TextIO
from unicodedata import combining, east_asian_width

SIGNS_OF = {
    "#": "■█",
    "%": "≈",
    "&": "△",
    ")": "▷",
    "*": "★•",
    "+": "✓✚±╭╮╰╯┌┐└┘┬┴┼",
    "-": "▒─╶–—−·▔",
    ".": "…░",
    "/": "÷╱",
    "0": "∅",
    "1": "₁Ⅰ",
    "2": "²₂Ⅱ",
    "3": "Ⅲ",
    "4": "₄",
    ":": "┊",
    "<": "◀←",
    "=": "‖▓━",
    ">": "▶→",
    "@": "◆",
    "A": "∧",
    "M": "⊼",
    "O": "●",
    "S": "⇅",
    "U": "↺",
    "X": "◇",
    "]": "▸",
    "^": "↗▲↑",
    "_": "▬▁▂▃▄▅▆▇",
    "h": "½",
    "o": "○",
    "v": "▼↓",
    "x": "✕╳×",
    "|": "⇡│┃┤├▏▎▍▌▐▕▊",
    "~": "⇄",
}
"""Signs by the ASCII character that stands for them."""

SIGNS = {sign: plain for plain, signs in SIGNS_OF.items() for sign in signs}


def _braille(dots: int) -> str:
    """Return the ASCII character most like a braille pattern."""
    left = [row for row, bit in enumerate((0, 1, 2, 6)) if dots >> bit & 1]
    right = [row for row, bit in enumerate((3, 4, 5, 7)) if dots >> bit & 1]
    rows = left + right
    middle = sum(rows) / max(len(rows), 1)
    if left and right:
        rise = sum(left) / len(left) - sum(right) / len(right)
        if abs(rise) >= 1:
            return "/" if rise > 0 else "\\"
        if len(set(rows)) <= 2:
            return "'" if middle < 0.9 else "-" if middle < 2.5 else "_"
        return ":"
    if not rows:
        return " "
    return "|" if len(rows) > 2 else "'" if middle < 1.5 else "."


LIKENESSES = SIGNS | {chr(0x2800 + dots): _braille(dots) for dots in range(256)}


def printable(text: str) -> str:
    """Replace unprintable characters, which could control the terminal, by blanks."""
    return text if text.isprintable() else "".join(c if c.isprintable() else " " for c in text)


def plain(text: str) -> str:
    """Return a text in ASCII of the same width, with ``?`` for unknown characters."""
    return "".join(c if c.isascii() else _likeness(c) for c in text)


def _likeness(character: str) -> str:
    if combining(character):
        return ""
    unlike = "??" if east_asian_width(character) in "WF" else "?"
    return LIKENESSES.get(character, unlike)


def _encode(error: UnicodeError) -> tuple[str, int]:
    assert isinstance(error, UnicodeEncodeError)
    return plain(error.object[error.start : error.end]), error.end


codecs.register_error("lrtui.commands.plain_text", _encode)


def write_plain(stream: TextIO) -> None:
    """Make a stream write ASCII characters from now on."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(encoding="ascii", errors="lrtui.commands.plain_text")


def lacks_unicode(environment: Mapping[str, str]) -> bool:
    """Return whether the locale, judged by its variables, lacks Unicode."""
    names = ["LC_ALL", "LC_CTYPE", "LANG"]
    if sys.flags.utf8_mode and environment.get("LC_CTYPE") == "C.UTF-8":
        # Python sets this itself at startup if the locale is C or missing.
        names.remove("LC_CTYPE")
    named = next((environment[name] for name in names if environment.get(name)), "C")
    return "utf" not in named.lower()
