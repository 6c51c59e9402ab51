"""Plain characters say as much as the others."""

from __future__ import annotations

from io import BytesIO, TextIOWrapper
from pathlib import Path

import pytest

import lrtui
from lrtui.ascii_fallback import SIGNS, lacks_unicode, plain, write_plain
from lrtui.screen import ruler, texts


def test_every_state_has_a_sign_of_its_own_in_ascii() -> None:
    signs = [plain(sign) for sign in texts.SIGNS.values()]
    assert len(set(signs)) == len(signs) == len(texts.TONES)
    assert all(sign.isascii() for sign in signs)


def test_every_part_of_the_ruler_has_a_sign_of_its_own_in_ascii() -> None:
    parts = {sign for sign, _ in ruler.SIGNS.values()} | {sign for _, sign in ruler.SHADES}
    signs = [plain(sign) for sign in [*parts, "◆", "★", "┃"]]
    assert len(set(signs)) == len(signs)


def test_every_mark_on_the_charts_has_a_sign_of_its_own_in_ascii() -> None:
    signs = [plain(sign) for sign in "●○✚▲✕◆★"]
    assert len(set(signs)) == len(signs)


def test_every_sign_in_the_code_has_a_likeness() -> None:
    said = "".join(path.read_text() for path in Path(lrtui.__file__).parent.rglob("*.py"))
    unlike = {c for c in said if not c.isascii() and plain(c) == "?"}
    # Mathematics in comments and docstrings is not shown.
    assert unlike <= set("λµΣ½ᵀᵢ"), unlike


def test_a_text_takes_as_many_cells() -> None:
    assert plain("━━ 0.1 · ⠿⣀⠉⡇⠒ 漢 e\u0301 ?") == "== 0.1 - :_'|- ?? e ?"
    assert len(plain("".join(SIGNS))) == len(SIGNS)


def test_a_slope_rises_and_falls() -> None:
    assert plain("⡠⠊") == "//"
    assert plain("⠑⢄") == "\\\\"


def test_a_stream_is_switched_over() -> None:
    stream = TextIOWrapper(BytesIO(), "utf-8")
    write_plain(stream)
    stream.write("✓ settled – 2 × as far")
    stream.flush()
    assert stream.buffer.getvalue() == b"+ settled - 2 x as far"


@pytest.mark.parametrize(
    ("environment", "lacks"),
    [
        ({}, True),
        ({"LANG": "C"}, True),
        ({"LANG": "POSIX"}, True),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LANG": "C.UTF-8"}, False),
        ({"LANG": "en_US.utf8"}, False),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "C"}, True),
        ({"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, False),
    ],
)
def test_what_a_locale_has(environment: dict[str, str], lacks: bool) -> None:
    assert lacks_unicode(environment) == lacks
