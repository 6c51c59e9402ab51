"""A person's own keys: which ones may be chosen for an action."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, Keys
from textual.widgets import Input

from lrtui.screen.actions import ACTIONS, BY_NAME

MODIFIERS = {"ctrl", "shift", "alt", "super", "hyper", "meta"}

NAMES = {key.value.split("+")[-1] for key in Keys} | {*KEY_NAME_REPLACEMENTS.values()}
"""Names that textual has for keys, besides those of Unicode."""

TAKEN = {*"0123456789", "ctrl+p", "ctrl+c", "escape"} | {
    key for binding in Binding.make_bindings(Input.BINDINGS) for key in binding.key.split(",")
}
"""Keys of the field of the rate, of the palette, and of leaving."""


def split(keys: str) -> list[str]:
    """Return keys with commas between them by textual's names: ``question_mark`` for ``?``."""
    return [binding.key for binding in Binding.make_bindings([Binding(keys, "")])]


def check(action: str, keys: str, keymap: Mapping[str, str]) -> None:
    """Check that an action may have some keys.

    Args:
        action: its name.
        keys: its keys, with commas between them.
        keymap: of all the actions that have other keys than usual.

    Raises:
        ValueError: it may not; says why.
    """
    if action not in BY_NAME:
        raise ValueError(f"no action is called {action[:24]!r}; lrtui guide keys lists them")
    for key in split(keys) or [keys]:
        if not is_key(key):
            raise ValueError(f"no key is called {key[:24]!r}")
        others = {row.name: split(keymap.get(row.name, row.key)) for row in ACTIONS}
        of = [name for name, theirs in others.items() if key in theirs and name != action]
        if of or (key in TAKEN and key not in split(BY_NAME[action].key)):
            raise ValueError(f"{key} is taken{f' by {of[0]}' * bool(of)}")


def is_key(name: str) -> bool:
    """Return whether a key has this name."""
    *modifiers, base = name.split("+")
    if not {*modifiers} <= MODIFIERS:
        return False
    try:
        return len(base) == 1 or base in NAMES or bool(unicodedata.lookup(base.replace("_", " ")))
    except KeyError:
        return False
