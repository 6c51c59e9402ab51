"""A terminal's screen as a picture."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path

import pyte
from PIL import Image, ImageDraw, ImageFont

GROUND, TEXT = "#121212", "#e0e0e0"
SIXTEEN = {
    "black": "#1c1c1c",
    "red": "#cd3131",
    "green": "#0dbc79",
    "brown": "#e5e510",
    "blue": "#2472c8",
    "magenta": "#bc3fbc",
    "cyan": "#11a8cd",
    "white": "#e5e5e5",
    "brightblack": "#666666",
    "brightred": "#f14c4c",
    "brightgreen": "#23d18b",
    "brightbrown": "#f5f543",
    "brightblue": "#3b8eea",
    "brightmagenta": "#d670d6",
    "brightcyan": "#29b8db",
    "brightwhite": "#ffffff",
}
DOTS = ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (0, 3), (1, 3))
"""Column and row of each bit of a braille pattern."""


@cache
def font(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """A font of even width that has the signs of the screen.

    Raises:
        SystemExit: there is none; says what to install.
    """
    name = "DejaVuSansMono-Bold.ttf" if bold else "DejaVuSansMono.ttf"
    try:
        return ImageFont.truetype(name, size)  # Pillow looks where fonts are
    except OSError:
        pass
    if shutil.which("fc-match"):
        style = "bold" if bold else "book"
        command = ["fc-match", "-f", "%{file}", f"DejaVu Sans Mono:style={style}"]
        found = Path(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        if found.name.startswith("DejaVuSansMono"):
            return ImageFont.truetype(str(found), size)
    raise SystemExit("DejaVu Sans Mono is needed: apt install fonts-dejavu-core")


def color(name: str, default: str) -> str:
    """The colour that pyte names."""
    return default if name == "default" else SIXTEEN.get(name, f"#{name}")


def picture(screen: pyte.Screen, size: int = 18) -> Image.Image:
    """Draw the screen; braille dot by dot, for few fonts have it in the width of a cell.

    Args:
        screen: of a terminal.
        size: of the font, in pixels.
    """
    width, height = round(font(size).getlength("M")), round(1.22 * size)
    image = Image.new("RGB", (screen.columns * width, screen.lines * height), GROUND)
    draw = ImageDraw.Draw(image)
    for row in range(screen.lines):
        for column in range(screen.columns):
            cell = screen.buffer[row][column]
            ink, ground = color(cell.fg, TEXT), color(cell.bg, GROUND)
            if cell.reverse:
                ink, ground = ground, ink
            x, y = column * width, row * height
            if ground != GROUND:
                draw.rectangle([x, y, x + width - 1, y + height - 1], fill=ground)
            if not cell.data.strip():
                continue
            pattern = ord(cell.data[0]) - 0x2800
            if not 0 <= pattern < 256:
                draw.text((x, y), cell.data, font=font(size, cell.bold), fill=ink)
                continue
            radius = 0.09 * size
            for bit, (right, down) in enumerate(DOTS):
                if pattern >> bit & 1:
                    cx, cy = x + width * (0.27 + 0.46 * right), y + height * (0.14 + 0.24 * down)
                    draw.ellipse([cx - radius, cy - radius, cx + radius, cy + radius], fill=ink)
    return image
