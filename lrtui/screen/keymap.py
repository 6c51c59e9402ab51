"""The user's own keys, and which of them an action may have."""

from __future__ import annotations

from collections.abc import Mapping

from textual.binding import Binding
from textual.keys import KEY_NAME_REPLACEMENTS, Keys
from textual.widgets import Input

from lrtui.screen.actions import ACTIONS, BY_NAME

MODIFIERS = {"ctrl", "shift", "alt", "super", "hyper", "meta"}

NAMES = {key.value.split("+")[-1] for key in Keys} | {*KEY_NAME_REPLACEMENTS.values()}
"""Names of keys of more than one letter."""

TAKEN = {*"0123456789", "ctrl+p", "ctrl+c", "escape"} | {
    key for binding in Binding.make_bindings(Input.BINDINGS) for key in binding.key.split(",")
}
"""Keys of the field of the rate, of the palette, and of leaving."""


def read_keymap(texts: Mapping[str, str]) -> dict[str, str]:
    """Return a keymap by textual's names of the keys: ``question_mark`` for ``?``.

    Args:
        texts: keys with commas between them, by the name of the action.

    Raises:
        ValueError: with the action and the reason: unknown, an unknown key, or a key in use.
    """
    keys = {row.name: [row.key] for row in ACTIONS}
    for action, text in texts.items():
        if action not in BY_NAME:
            why = f"no action is called {action[:24]!r}; lrtui guide keys lists them"
            raise ValueError(action, why)
        for key in text.split(","):
            if not is_key(key):
                raise ValueError(action, f"no key is called {key[:24]!r}")
        keys[action] = [found.key for found in Binding.make_bindings([Binding(text, "")])]
    for action in texts:
        for key in keys[action]:
            others = [name for name in keys if key in keys[name] and name != action]
            if others or (key in TAKEN and key != BY_NAME[action].key):
                raise ValueError(action, " by ".join([f"{key} is taken", *others[:1]]))
    return {action: ",".join(keys[action]) for action in texts}


def is_key(text: str) -> bool:
    """Return whether a key has this name, such as ``x``, ``?``, ``f5`` or ``ctrl+t``."""
    name = text.strip()
    *modifiers, base = [name] if name == "+" else name.split("+")
    return {*modifiers} <= MODIFIERS and (len(base) == 1 or base in NAMES)
