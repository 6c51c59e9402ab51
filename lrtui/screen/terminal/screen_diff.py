"""A diff of two screens: the cells the terminal shows against the cells it should show."""

from __future__ import annotations

import re
from functools import lru_cache

from rich.cells import cell_len

Cell = tuple[str, str]
"""A character and its style, given as the parameters of an SGR sequence."""

CODE = r"(?:[1-9]|21|5[1-3]|[34][0-79]|9[0-7]|10[0-7]|[34]8;(?:5;\d+|2;\d+;\d+;\d+))"
FRAME = re.compile(
    rf"(?:\x1b\[(?:\d*(?:;\d*)?H|(?:0?|{CODE}(?:;{CODE})*)m)"
    r"|[^\x00-\x09\x0b\x0c\x0e-\x1f\x7f-\x9f])*"
)
"""A frame this module understands: cursor positions, SGR sequences and text."""
TOKEN = re.compile(r"\x1b\[([\d;]*)([Hm])|([^\x1b\r\n]+)")

HARMLESS = re.compile(
    r"""(?:
    \x07                                            # bell
    | \x1b\[\?(?:25|7|100[0-6]|101[56]|2004|2026|2048)[hl]
        # cursor, line wrap, mouse and focus reports, pasting, synchronised output, resize reports
    | \x1b\[\?\d+\$p                                # is this mode supported?
    | \x1b\[[>?=]?\d*c | \x1b\[[56]n | \x1b\[1[468]t  # who are you, how are you, what size?
    | \x1b\[[<>=?][\d;]*u                            # kitty keyboard
    | \x1b\](?:[0129]|22|52);[^\x00-\x1f\x7f-\x9f]*(?:\x07|\x1b\\)
        # title, notice, pointer, clipboard
    | \x1bPtmux;\x1b\x1b\]9;[^\x00-\x1f\x7f-\x9f]*\x07\x1b\\  # a notice, for the terminal behind
    )*""",
    re.VERBOSE,
)
"""Sequences that cannot change a cell."""

BLANK: Cell = (" ", "")
UNKNOWN: Cell = ("", "unknown")
"""An unknown cell. The second half of a wide character is empty as well."""
ERASE = 10
"""Blanks from which erasing takes fewer bytes than writing."""
SINGLE = re.compile(r"[\x20-\x7e\xa0-\u02ff\u2190-\u22ff\u2500-\u25ff\u2800-\u28ff–—…‖]*")
"""Characters known to take one cell each."""


class ScreenDiff:
    """The cells of a terminal: those that were drawn, and those that were sent.

    Attributes:
        cursor: column and row where the cursor should be.
    """

    def __init__(self, erases: bool, colors: bool = True) -> None:
        """Start with nothing drawn and nothing sent.

        Args:
            erases: whether the terminal erases cells to the current background.
            colors: whether colours are sent; bold, dim and the like always are.
        """
        self._colors = colors
        self.cursor = (0, 0)
        self._wanted: dict[int, list[Cell]] = {}
        self._shown: dict[int, list[Cell]] = {}
        self._dirty: set[int] = set()
        self._next = 0
        self._erases = erases

    @property
    def differs(self) -> bool:
        """Whether something that was drawn has not been sent yet."""
        return bool(self._dirty)

    def forget(self) -> None:
        """Forget what was sent, so that everything drawn is sent again."""
        self._shown.clear()
        self._dirty.update(self._wanted)

    def clear(self) -> None:
        """Forget what was drawn, too: something unknown was written over it."""
        self._shown.clear()
        self._wanted.clear()
        self._dirty.clear()

    def draw(self, data: str) -> bool:
        """Draw a frame of textual's.

        Returns:
            Whether ``data`` is a frame; if not, nothing was drawn.
        """
        if not FRAME.fullmatch(data):
            return False
        x = y = 0
        style = ""
        for parameters, kind, text in TOKEN.findall(data):
            if text:
                x += self._put(x, y, text, style)
            elif kind == "m" and parameters in ("", "0"):
                style = ""
            elif kind == "m":
                style = f"{style};{parameters}" if style else parameters
            else:
                row, _, column = parameters.partition(";")
                x, y = int(column or 1) - 1, int(row or 1) - 1
        self.cursor = (x, y)
        return True

    def _put(self, x: int, y: int, text: str, style: str) -> int:
        """Put text on a row and return how many cells it takes."""
        style = style if self._colors else without_colors(style)
        row = self._wanted.setdefault(y, [])
        row.extend([UNKNOWN] * (x - len(row)))
        cells: list[Cell]
        if SINGLE.fullmatch(text):
            blank = (" ", background(style))
            cells = [blank if c == " " else (c, style) for c in text]
        else:
            cells = []
            for c in text:
                width = cell_len(c)
                if width == 0 and cells:
                    cells[-1] = (cells[-1][0] + c, style)
                elif width:
                    # A wide character is followed by an empty cell.
                    cells.extend([(c, style), *[("", style)] * (width - 1)])
        row[x : x + len(cells)] = cells
        self._dirty.add(y)
        return len(cells)

    def changes(self, columns: int, rows: int, most: int) -> str:
        """Return the output for the next rows that differ, and count it as sent.

        Args:
            columns: width of the terminal; cells outside it are skipped.
            rows: height of the terminal.
            most: number of bytes after which no further row is started.
        """
        pieces: list[str] = []
        size = 0
        pen = ""
        first = self.cursor[1]  # the row in which a rate is typed comes first
        order = sorted(self._dirty, key=lambda y: (y != first, y < self._next, y))
        for y in order:
            if size >= most:
                break
            self._dirty.discard(y)
            self._next = y + 1
            if y >= rows:
                continue
            piece, pen = self._row(y, columns, pen)
            if piece:
                pieces.append(piece)
                size += len(piece.encode())
        if not pieces:
            return ""
        x, y = self.cursor
        home = f"\x1b[{y + 1};{x + 1}H"
        return "".join(pieces) + ("\x1b[m" if pen else "") + home

    def _row(self, y: int, columns: int, pen: str) -> tuple[str, str]:
        """Return the output that updates a row, and the style in effect afterwards."""
        wanted = self._wanted[y][:columns]
        shown = self._shown.get(y, [])
        if wanted == shown:
            return "", pen
        shown += [UNKNOWN] * (len(wanted) - len(shown))
        pieces: list[str] = []
        at = 0  # cells before this one are up to date
        here = -1  # column of the terminal's cursor, once it is in this row
        for x, cell in enumerate(wanted):
            if x < at or cell == shown[x] or not cell[0]:
                continue
            gap = wanted[here:x]
            if here < 0:
                pieces.append(f"\x1b[{y + 1};{x + 1}H")
            elif gap:
                # Writing a few cells again takes fewer bytes than skipping them.
                again = "".join(
                    c for c, style in gap if style == (background(pen) if c == " " else pen)
                )
                if len(again) == len(gap) and len(again.encode()) <= 4:
                    pieces.append(again)
                else:
                    pieces.append(f"\x1b[{len(gap)}C" if len(gap) > 1 else "\x1b[C")
            # Only the background of a style is visible on a blank.
            if cell[1] != pen and not (cell[0] == " " and cell[1] == background(pen)):
                pieces.append(switch(pen, cell[1]))
                pen = cell[1]
            blanks = run(wanted, x) if self._erases and cell[0] == " " else 0
            if blanks > ERASE:
                pieces.append(f"\x1b[{blanks}X")
                here, at = x, x + blanks
                continue
            pieces.append(cell[0])
            here = x + 1
            while wanted[here : here + 1] == [("", cell[1])]:  # rest of a wide character
                here += 1
            at = here
        self._shown[y] = wanted
        return "".join(pieces), pen


def run(cells: list[Cell], start: int) -> int:
    """Return how many cells, counted from ``start``, equal the first of them."""
    end = start
    while end < len(cells) and cells[end] == cells[start]:
        end += 1
    return end - start


@lru_cache(4096)
def parts(style: str) -> tuple[frozenset[str], str, str]:
    """Split a style into attributes, foreground and background, as SGR parameters."""
    attributes: list[str] = []
    color, ground = "39", "49"
    codes = iter(style.split(";") if style else ())
    for code in codes:
        if code in ("38", "48"):
            kind = next(codes)
            rest = [next(codes) for _ in range(3 if kind == "2" else 1)]
            if code == "38":
                color = ";".join([code, kind, *rest])
            else:
                ground = ";".join([code, kind, *rest])
        elif code in ("39", "49"):
            continue
        elif re.fullmatch("3[0-7]|9[0-7]", code):
            color = code
        elif re.fullmatch("4[0-7]|10[0-7]", code):
            ground = code
        else:
            attributes.append(code)
    return frozenset(attributes), color, ground


@lru_cache(4096)
def without_colors(style: str) -> str:
    """Return the part of a style that is no colour."""
    return ";".join(sorted(parts(style)[0], key=int))


@lru_cache(4096)
def switch(old: str, new: str) -> str:
    """Return the shortest SGR sequence that leads from one style to another."""
    (had, *old_colors), (has, *new_colors) = parts(old), parts(new)
    if not had <= has:
        return f"\x1b[0;{new}m" if new else "\x1b[m"
    changed = [new for old, new in zip(old_colors, new_colors, strict=True) if old != new]
    codes = [*sorted(has - had), *changed]
    return "\x1b[m" if not new else f"\x1b[{';'.join(codes)}m" if codes else ""


@lru_cache(4096)
def background(style: str) -> str:
    """Return the part of a style that is visible on a blank."""
    attributes, _, ground = parts(style)
    if attributes & {"4", "7", "9", "21", "53"}:
        return style
    return "" if ground == "49" else ground


def harmless(data: str) -> bool:
    """Return whether data is made only of sequences that cannot change a cell."""
    return HARMLESS.fullmatch(data) is not None
