"""Parses the script of a tour, a file that people can read, edit and share."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from lrtui.messages.problem_settings import BUILT_IN
from lrtui.text.rates import parse_rates

NAMES = (None, "edge", "optimizers", "race", "live")

TOURS: dict[str | None, Path] = {
    name: Path(__file__).parent / f"{name or 'post'}.txt" for name in NAMES
}
"""Built-in tours by name, ``None`` for the post's."""

KEYS = (*"abhoprswyzTAtu", "tab", "up", "down", "left", "right", "escape")
"""Keys that a script can press."""

VERBS = ("say", "type", "press", "wait", "until", "speed", "problem", "steps", "training")
"""First words of a line."""

EVENTS = ("room", "tried", "spike")
"""Events of a live training that a script can wait for."""

MAX_BYTES = 10**6
"""Maximum bytes of a script."""


class Scene(NamedTuple):
    """One line of a script.

    Attributes:
        verb: one of ``VERBS``.
        text: to say or type, the key to press, the problem, the script to train, or the event of a
            training to wait for.
        number: seconds to wait; the step to wait for, infinite for the run's end; steps a second;
            or steps of a run.
    """

    verb: str
    text: str = ""
    number: float = 0.0


def read_script(name: str | None) -> list[Scene]:
    """Read a built-in script by its name, the post's for ``None``, or a file.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is invalid; says which and why.
    """
    path = TOURS.get(name) or Path(str(name))
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"{path}: longer than {MAX_BYTES:,} bytes; a script is short")
    scenes = []
    for number, line in enumerate(content.decode(errors="replace").splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#"):
            try:
                scenes.append(scene(line))
            except ValueError as error:
                raise ValueError(f"{path}, line {number}: {error}") from error
    if not scenes:
        raise ValueError(f"{path}: nothing in it can be shown")
    return scenes


def scene(line: str) -> Scene:
    """Parse a line of a script.

    Raises:
        ValueError: it is invalid; says why.
    """
    verb, _, text = line.strip().partition(" ")
    text = text.strip()
    match verb:
        case "type":
            parse_rates(text)
        case "press" if text not in KEYS:
            raise ValueError(f"{text[:24]!r} cannot be pressed; {', '.join(KEYS)} can")
        case "problem" if text not in BUILT_IN:
            known = ", ".join(BUILT_IN)
            raise ValueError(f"no problem is called {text[:24]!r}; there are {known}")
        case "steps" | "speed":
            return Scene(verb, number=number(text, 1e5, verb))
        case "wait":
            return Scene(verb, number=number(text, 60, "seconds"))
        case "training" if not text:
            raise ValueError("the script of a training is needed, or language-model")
        case "until" if text == "end":
            return Scene(verb, number=float("inf"))
        case "until" if text.startswith("step "):
            return Scene(verb, number=number(text[5:], 1e9, "steps"))
        case "until" if text not in EVENTS:
            raise ValueError(f"a run is watched until end or until step N, not until {text[:24]!r}")
        case _ if verb not in VERBS:
            raise ValueError(f"{verb[:24]!r} is not one of {', '.join(VERBS)}")
    return Scene(verb, text)


def number(text: str, most: float, unit: str) -> float:
    """Parse a number of seconds or steps, at most ``most``."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise ValueError(f"{unit} from 0 to {most:,.0f} are needed, not {text[:24]!r}")
    return value
