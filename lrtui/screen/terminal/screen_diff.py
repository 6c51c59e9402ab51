"""What the terminal shows and what it is to show, and the few bytes that lie between the two."""

from __future__ import annotations

import re
from functools import lru_cache

from rich.cells import cell_len

Cell = tuple[str, str]
"""A character and its style, as the parameters of the SGR sequence that switches it on."""

FRAME = re.compile(r"(?:\x1b\[[\d;]*[Hm]|[^\x1b\x07])*")
"""What textual draws with: moves, styles and text. All else is for the terminal's own ears."""
TOKEN = re.compile(r"\x1b\[([\d;]*)([Hm])|([^\x1b\r\n]+)")

BLANK: Cell = (" ", "")
UNKNOWN: Cell = ("", "")
ERASE = 10
"""Blanks from which on it takes fewer bytes to erase them and jump."""
DRAWN = re.compile("[\x20-\x7e\xa0-\u02ff\u2190-\u22ff\u2500-\u25ff\u2800-\u28ff–—…‖●]*")


class ScreenDiff:
    """The cells of a terminal: those wanted, and those it was sent.

    Attributes:
        cursor: column and row at which the cursor is wanted.
    """

    def __init__(self, erases: bool) -> None:
        """Starts with nothing wanted and nothing known.

        Args:
            erases: the terminal erases cells to the background that is switched on.
        """
        self.cursor = (0, 0)
        self._wanted: dict[int, list[Cell]] = {}
        self._shown: dict[int, list[Cell]] = {}
        self._dirty: set[int] = set()
        self._next = 0
        self._erases = erases

    @property
    def differs(self) -> bool:
        """Whether the terminal does not show yet what it is to show."""
        return bool(self._dirty)

    def forget(self) -> None:
        """Takes nothing that was sent for granted: after a resize, or when the screen was left."""
        self._shown.clear()
        self._dirty.update(self._wanted)

    def draw(self, data: str) -> bool:
        """Draws what textual sent on the cells.

        Returns:
            Whether it could: what is no drawing is left to the terminal.
        """
        if not FRAME.fullmatch(data):
            return False
        x = y = 0
        style = ""
        for parameters, kind, text in TOKEN.findall(data):
            if text:
                x += self._put(x, y, text, style)
            elif kind == "m":
                style = "" if parameters == "0" else parameters
            else:
                row, _, column = parameters.partition(";")
                x, y = int(column or 1) - 1, int(row or 1) - 1
        self.cursor = (x, y)
        return True

    def _put(self, x: int, y: int, text: str, style: str) -> int:
        """Puts text on the cells of a row and returns how many it takes."""
        row = self._wanted.setdefault(y, [])
        if len(row) < x:
            row.extend([BLANK] * (x - len(row)))
        cells: list[Cell]
        if DRAWN.fullmatch(text):
            blank = (" ", background(style))
            cells = [blank if c == " " else (c, style) for c in text]
        else:
            cells = []
            for c in text:
                width = cell_len(c)
                if width == 0 and cells:
                    cells[-1] = (cells[-1][0] + c, style)
                elif width:
                    # The second half of a wide character is drawn with the first.
                    cells.extend([(c, style), *[("", style)] * (width - 1)])
        row[x : x + len(cells)] = cells
        self._dirty.add(y)
        return len(cells)

    def changes(self, columns: int, rows: int, most: int) -> str:
        """Returns what brings the terminal closer to what is wanted, and takes it for sent.

        Args:
            columns: of the terminal; what lies outside is left out.
            rows: of the terminal.
            most: bytes after which no further row is begun.
        """
        pieces: list[str] = []
        size = 0
        pen = ""
        first = self.cursor[1]  # where a person types is answered first
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
        """Returns what brings one row up to date, and the style that is left switched on."""
        wanted = self._wanted[y][:columns]
        shown = self._shown.get(y, [])
        if wanted == shown:
            return "", pen
        shown += [UNKNOWN] * (len(wanted) - len(shown))
        pieces: list[str] = []
        at = 0  # the cells before it are up to date
        here = -1  # where the terminal's cursor is, once it is in this row
        for x, cell in enumerate(wanted):
            if x < at or cell == shown[x] or not cell[0]:
                continue
            gap = wanted[here:x]
            if here < 0:
                pieces.append(f"\x1b[{y + 1};{x + 1}H")
            elif gap:
                # A short way is cheaper written again than jumped over.
                again = "".join(
                    c for c, style in gap if style == (background(pen) if c == " " else pen)
                )
                if len(again) == len(gap) and len(again.encode()) <= 4:
                    pieces.append(again)
                else:
                    pieces.append(f"\x1b[{len(gap)}C" if len(gap) > 1 else "\x1b[C")
            # Of a style only the background shows on a blank.
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
            while here < len(wanted) and not wanted[here][0]:  # the rest of a wide character
                here += 1
            at = here
        self._shown[y] = wanted
        return "".join(pieces), pen


def run(cells: list[Cell], start: int) -> int:
    """Returns how many cells from ``start`` on are alike."""
    end = start
    while end < len(cells) and cells[end] == cells[start]:
        end += 1
    return end - start


@lru_cache(4096)
def parts(style: str) -> tuple[frozenset[str], str, str]:
    """Returns the attributes of a style, its colour and its background, as SGR parameters."""
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
def switch(old: str, new: str) -> str:
    """Returns the SGR sequence from one style to another, no longer than it has to be."""
    (had, *old_colors), (has, *new_colors) = parts(old), parts(new)
    if not had <= has:
        return f"\x1b[0;{new}m" if new else "\x1b[m"
    changed = [new for old, new in zip(old_colors, new_colors, strict=True) if old != new]
    codes = [*sorted(has - had), *changed]
    return "\x1b[m" if not new else f"\x1b[{';'.join(codes)}m" if codes else ""


@lru_cache(4096)
def background(style: str) -> str:
    """Returns what of a style can be seen on a blank."""
    attributes, _, ground = parts(style)
    if attributes & {"4", "7", "9", "21", "53"}:
        return style
    return "" if ground == "49" else ground
