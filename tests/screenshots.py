"""Makes every picture under ``screenshots/`` anew: ``python -m tests.screenshots``.

Unattended, from the real program in a pseudo-terminal; the moving one from a recording that
asciinema makes of ``lrtui tour``.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pyte
from PIL import Image

from tests.picture import picture
from tests.terminal import UNKNOWN_TO_PYTE, terminal

FOLDER = Path(__file__).parent.parent / "screenshots"

STILLS = {
    # name: columns, rows, options, keys, what the screen shows before the picture is taken
    "running": (120, 36, ("--speed", "20"), "", r"step 4\d/100"),
    "settled": (80, 24, ("--lr", "0.1", "--lr", "0.7"), "", "✓ settled"),
    "diverged": (120, 36, ("--lr", "0.1", "--lr", "0.7", "--lr", "1.01"), "", "✕ diverged"),
    "infinity": (120, 36, ("--lr", "0.7", "--lr", "50"), "", "✕ diverged"),
    "map": (120, 36, ("--lr", "0.1", "--lr", "1.01", "--lr", "0.7"), "b\t\t\t\t", "✚ minimum"),
    "rates": (120, 36, ("--lr", "0.7"), "w", "steps to settle"),
    "edge": (120, 36, ("edge", "--lr", "0.1", "--speed", "250"), "", r"step 2,0\d\d/"),
    "moons": (120, 36, ("moons", "--lr", "2", "--speed", "100"), "", r"★ best"),
    "optimizers": (120, 36, ("bowl", "--lr", "0.05", "--speed", "200"), "oo", r"3\s+0\.05\s+nest"),
    "race": (120, 36, ("--race", "--lr", "0.1", "--lr", "0.7", "--lr", "1.01"), "b", "diverged"),
    "heat": (120, 36, ("--lr", "0.1"), "h", "settle"),
    "settings": (120, 36, ("--lr", "0.1"), "m", "choose"),
    "small": (80, 24, ("--lr", "0.1", "--lr", "0.7", "--lr", "1.01"), "", "✕ diverged"),
    "ascii": (80, 24, ("--lr", "0.1", "--lr", "0.7", "--ascii"), "", r"2\s+0\.7\s+\+ settled"),
}

SCRIPT = """
import argparse, time, torch
parser = argparse.ArgumentParser()
parser.add_argument("--lr", type=float)
lr = parser.parse_args().lr
torch.manual_seed(0)
torch.set_num_threads(1)
x = torch.randn(2048, 16)
y = x[:, :4].sum(1, keepdim=True).sin() + 0.1 * torch.randn(2048, 1)
net = torch.nn.Sequential(torch.nn.Linear(16, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1))
optimizer = torch.optim.SGD(net.parameters(), lr, momentum=0.9)
for step in range(1500):
    index = torch.randint(0, 2048, (32,))
    loss = ((net(x[index]) - y[index]) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    time.sleep(0.003)
"""
"""A training whose best rate lies between those that are raced."""

FRAME = 0.2
"""Seconds of a frame of the moving picture, at least."""


def still(name: str) -> None:
    """Run the program and takes a picture of its screen."""
    columns, rows, options, keys, shown = STILLS[name]
    speed = () if "--speed" in options else ("--speed", "100")
    with terminal(*options, *speed, columns=columns, rows=rows) as lab:
        count = max(options.count("--lr"), 1)
        if name in ("running", "edge", "moons"):
            lab.wait_for(shown)
            lab.type(" ")
        elif name == "optimizers":
            for number, key in enumerate([*keys, ""], 1):
                lab.wait_for(rf"\b{number}\s+0\.05\s")
                lab.wait_for("step 300/300")
                lab.type(key)
            lab.wait_for(shown)
        else:
            lab.wait_for(rf"\b{count}\s+[\d.]+ +[✓✕+x▶]")
            lab.wait_for("step (100/100|10/100)")
            for key in keys:
                lab.type(key)
                lab.read(0.4)
            lab.wait_for(shown)
        lab.read(1)
        save(picture(lab.screen), FOLDER / f"{name}.png")


def race_of_scripts() -> None:
    """Race a script at four rates, and take a picture of the screen once the first are over."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "train.py").write_text(SCRIPT)
        command = ("--", "python", "train.py", "--lr", "{lr}")
        rates = ("0.003", "0.03", "0.3", "3")
        with terminal("race", *rates, "--jobs", "2", *command, cwd=folder) as screen:
            screen.wait_for("2 live · 2 over", 120)
            screen.wait_for(r"4  lr-3 .*diverged|4  lr-3 .*level|4  lr-3 .*falling", 60)
            screen.drain(2)
            save(picture(screen.screen), FOLDER / "scripts.png")
            screen.type("q")


def save(image: Image.Image, path: Path) -> None:
    """Save a picture of few colours."""
    image.quantize(128).save(path, optimize=True)
    print(path, f"{path.stat().st_size / 1000:.0f} kB")


def record(tour: str, cast: Path) -> None:
    """Record a tour as anybody would, with asciinema."""
    asciinema = shutil.which("asciinema", path=str(Path(sys.executable).parent)) or "asciinema"
    shown = f"{sys.executable} -m lrtui tour {tour}".strip()
    command = [asciinema, "rec", "-q", "--overwrite", "-c", shown, str(cast)]
    size = README if tour in ("", "race", "live") else {}
    with terminal(command=command, **size) as recorder:
        assert recorder.wait_for_end(120) == 0, recorder.text
    print(cast.name, f"{cast.stat().st_size / 1000:.0f} kB")


README = {"columns": 80, "rows": 24}
"""The size of the moving pictures that the README shows."""


def moving(cast: Path, path: Path) -> None:
    """Turn a recording into a moving picture."""
    header, *events = map(json.loads, cast.read_text().splitlines())
    screen = pyte.Screen(header["width"], header["height"])
    stream = pyte.ByteStream(screen)
    frames: list[Image.Image] = []
    shown: list[int] = []  # milliseconds
    since = 0.0
    for at, kind, data in events:
        if kind != "o":
            continue
        # Up to the end of the program: afterwards there is the table on the normal screen.
        if "\x1b[?1049l" in data:
            break
        is_there = any("┤" in line for line in screen.display)  # a chart
        if at - since >= FRAME and is_there:
            frames.append(picture(screen, 14))
            shown.append(round(1000 * (at - since)))
            since = at
        elif not is_there:
            since = at
        stream.feed(UNKNOWN_TO_PYTE.sub(b"", data.encode()))
    frames.append(picture(screen, 14))
    shown.append(3000)
    # One palette for all, from frames throughout: colours must not flicker.
    sample = Image.new("RGB", (frames[0].width, 8 * frames[0].height))
    for i in range(8):
        sample.paste(frames[i * (len(frames) - 1) // 7], (0, i * frames[0].height))
    palette = sample.quantize(63)
    small = [f.quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    small[0].save(path, save_all=True, append_images=small[1:], duration=shown, loop=0)
    print(path, f"{path.stat().st_size / 1000:.0f} kB, {sum(shown) / 1000:.0f} s")


def main() -> None:
    """Make all of them, or those named."""
    FOLDER.mkdir(exist_ok=True)
    names = sys.argv[1:]
    if not names:
        for old in FOLDER.iterdir():
            old.unlink()
    for name in STILLS:
        if not names or name in names:
            still(name)
    if not names or "scripts" in names:
        race_of_scripts()
    for tour in ("", "edge", "optimizers", "race", "live"):
        name = tour if tour == "live" else f"tour-{tour}".rstrip("-")
        if not names or name in names:
            with TemporaryDirectory() as folder:
                cast = Path(folder) / "tour.cast"
                record(tour, cast)
                moving(cast, FOLDER / f"{name}.gif")


if __name__ == "__main__":
    main()
