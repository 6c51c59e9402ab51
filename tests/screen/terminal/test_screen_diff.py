"""The few bytes that bring a terminal up to date, held against the many that textual writes."""

from __future__ import annotations

import pyte
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtui.screen.terminal.screen_diff import ScreenDiff, harmless, switch

COLUMNS, ROWS = 24, 5
STYLES = (
    "",
    "1",
    "38;2;224;224;224;48;2;18;18;18",
    "38;2;90;90;90;48;2;18;18;18",
    "1;38;2;90;90;90;48;2;18;18;18",
    "4;38;2;224;224;224;48;2;30;30;30",
    "38;5;9",
    "7;31;44",
    "96",
)

signs = st.sampled_from(["a", "a", "b", " ", " ", "⠿", "━", "│", "漢", "e\u0301", "0"])
texts = st.lists(signs, min_size=1, max_size=6).map("".join)
piece = st.tuples(
    st.integers(0, COLUMNS - 13), st.integers(0, ROWS - 1), st.sampled_from(STYLES), texts
)
# One piece a row: no wide character may be cut in half, for there terminals differ.
drawing = st.lists(piece, min_size=1, max_size=5, unique_by=lambda piece: piece[1])
frames = st.lists(drawing, min_size=1, max_size=6)


def as_textual_writes(pieces: list[tuple[int, int, str, str]]) -> str:
    return "".join(
        f"\x1b[{y + 1};{x + 1}H" + (f"\x1b[{style}m{text}\x1b[0m" if style else text) + "\n"
        for x, y, style, text in pieces
    )


class Screen(pyte.Screen):
    """A terminal that was cleared to one background, as the lab's first frame clears it."""

    def __init__(self) -> None:
        super().__init__(COLUMNS, ROWS)
        self.stream = pyte.Stream(self)
        self.stream.feed("\x1b[?7l")

    def cells(self) -> list[list[tuple[object, ...]]]:
        """The cells as they look: of a blank only the background shows."""
        rows = []
        for y in range(ROWS):
            row = [self.buffer[y][x] for x in range(COLUMNS)]
            plain = [c.data == " " and not (c.underscore or c.reverse) for c in row]
            rows.append(
                [(c.data, c.bg) if blank else tuple(c) for c, blank in zip(row, plain, strict=True)]
            )
        return rows


@given(frames, st.booleans(), st.integers(1, 400))
@pytest.mark.slow
def test_it_looks_as_textual_meant_it(
    drawings: list[list[tuple[int, int, str, str]]], erases: bool, most: int
) -> None:
    meant, seen, diff = Screen(), Screen(), ScreenDiff(erases)
    for drawing in drawings:
        drawn = "".join(f"\x1b[{y + 1};1H{' ' * COLUMNS}" for _, y, _, _ in drawing)
        drawn += as_textual_writes(drawing)
        meant.stream.feed(drawn.replace("\n", ""))
        assert diff.draw(drawn)
        while diff.differs:
            seen.stream.feed(diff.changes(COLUMNS, ROWS, most))
        assert seen.cells() == meant.cells()


def test_styles_add_up_until_they_are_reset() -> None:
    diff = ScreenDiff(erases=False)
    assert diff.draw("\x1b[1;1H\x1b[1m\x1b[31ma\x1b[mb\x1b[32m\x1b[34mc")
    seen = Screen()
    seen.stream.feed(diff.changes(COLUMNS, ROWS, 1000))
    a, b, c = (seen.buffer[0][x] for x in range(3))
    assert (a.data, a.bold, a.fg) == ("a", True, "red")
    assert (b.data, b.bold, b.fg) == ("b", False, "default")
    assert (c.data, c.bold, c.fg) == ("c", False, "blue")


def test_nothing_is_sent_twice() -> None:
    diff = ScreenDiff(erases=True)
    frame = as_textual_writes([(3, 2, STYLES[2], "loss 0.08")])
    diff.draw(frame)
    first = diff.changes(80, 24, 1000)
    assert "loss 0.08" in first
    diff.draw(frame)
    assert diff.changes(80, 24, 1000) == ""
    diff.draw(as_textual_writes([(3, 2, STYLES[2], "loss 0.07")]))
    assert "7" in (second := diff.changes(80, 24, 1000))
    assert "loss" not in second
    diff.forget()
    assert "loss 0.07" in diff.changes(80, 24, 1000)


def test_a_large_drawing_comes_in_pieces_the_cursors_row_first() -> None:
    diff = ScreenDiff(erases=False)
    rows = [(0, y, STYLES[y % 3], f"row {y} " + "x" * 40) for y in range(10)]
    diff.draw(as_textual_writes(rows) + "\x1b[8;3H")
    pieces = []
    while diff.differs:
        pieces.append(diff.changes(80, 24, 100))
    assert len(pieces) > 3
    assert "row 7" in pieces[0]
    assert all(piece.endswith("\x1b[8;3H") for piece in pieces)


UNKNOWN = [
    "\x1b[2J",
    "\x1b[?1049h",
    "\x1b[4:3mcurly\x1b[0m",
    "\x1b[1;1Hx\x1b[K",
    "\x1b]8;;https://example.org\x1b\\link\x1b]8;;\x1b\\",
    "a\x07",
    "\x1b[?25hx",
    "a\tb",
    "a\x9b2J",
    "\x1bc",
    "\x1b[22mx",
    "\x1b[38mx",
    "\x1b[48;5mx",
    "\x1b[38;2;1;2mx",
    "\x1b[0;1mx",
]


@pytest.mark.parametrize("data", UNKNOWN)
def test_what_may_change_cells_is_neither_a_frame_nor_harmless(data: str) -> None:
    diff = ScreenDiff(erases=True)
    assert not diff.draw(data)
    assert not diff.differs
    assert not harmless(data)


@pytest.mark.parametrize(
    "data",
    [
        *("\x1b[?25h", "\x1b[?25l", "\x1b[?7l", "\x1b[?2004h", "\x1b[?2026h", "\x1b[?2048l"),
        *("\x1b[?1000h", "\x1b[?1003h", "\x1b[?1004h", "\x1b[?1006l", "\x1b[?1015h", "\x1b[?1016h"),
        *("\x1b]9;notice\x07\x07", "\x1bPtmux;\x1b\x1b]9;notice\x07\x1b\\\x07"),
        *("\x07", "\x1b]0;title\x07", "\x1b]2;title\x1b\\", "\x1b]22;text\x07"),
        *("\x1b[>25u", "\x1b[<u", "\x1b[?u", "\x1b[=1;1u"),
        *("\x1b[6n", "\x1b[c", "\x1b[>c", "\x1b[?2026$p", "\x1b[18t"),
        "\x1b[?25h\x1b[?1000h\x07",
    ],
)
def test_what_cannot_change_cells_is_harmless(data: str) -> None:
    assert not ScreenDiff(erases=True).draw(data)
    assert harmless(data)


def test_after_something_unknown_the_next_frame_is_sent_whole_and_nothing_else() -> None:
    diff = ScreenDiff(erases=False)
    diff.draw("\x1b[1;1Hloss 0.08\x1b[2;1Hrate 0.1")
    diff.changes(80, 24, 1000)
    diff.clear()
    diff.draw("\x1b[1;6H0.07")
    assert diff.changes(80, 24, 1000) == "\x1b[1;6H0.07\x1b[1;10H"
    diff.draw("\x1b[1;1Hloss 0.07")
    assert diff.changes(80, 24, 1000) == "\x1b[1;1Hloss \x1b[1;10H"


def test_cells_of_which_nothing_is_known_are_left_alone() -> None:
    diff = ScreenDiff(erases=False)
    diff.draw("\x1b[1;1Ha\x1b[1;4Hb")
    assert diff.changes(80, 24, 1000) == "\x1b[1;1Ha\x1b[2Cb\x1b[1;5H"


def test_only_what_differs_of_a_style_is_switched() -> None:
    old, new = "1;38;2;1;2;3;48;2;4;5;6", "1;38;2;7;8;9;48;2;4;5;6"
    assert switch(old, new) == "\x1b[38;2;7;8;9m"
    assert switch("38;2;7;8;9", "1;38;2;7;8;9") == "\x1b[1m"
    assert switch("1;31", "31") == "\x1b[0;31m"
    assert switch("1;31", "") == "\x1b[m"
