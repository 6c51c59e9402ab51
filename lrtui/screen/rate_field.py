"""The field in which a learning rate is typed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import ClassVar

from textual import events
from textual.binding import Binding, BindingType
from textual.timer import Timer
from textual.widgets import Input

from lrtui.screen.actions import at_key

IN_A_NUMBER = set("0123456789.,eE+- ")
"""Characters of numbers, and the blank between two of them."""

NOT_BEHIND_A_NUMBER = "remove"
"""An action without a key while something is typed: 0x1 must not remove a run."""

JOINS = 0.3
"""Seconds within which a digit joins the sign typed before it, as in ``.7`` or ``-1``; only after
that are ``-`` and ``+`` commands."""


class RateField(Input):
    """Accepts the characters of numbers and leaves every other key to the screen.

    It always has the focus, so a number can be typed at any time. While it is empty, ``.``,
    ``+``, ``-`` and the blank are commands; after a digit they belong to the number, and the blank
    separates the rates of a race. A character that belongs to neither is accepted too, with a
    complaint: without it, the text would be a different number.
    """

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+j", "submit", "Run", show=False)]

    def __init__(self, steer: Callable[[str], Awaitable[bool]]) -> None:
        """Start empty; ``steer`` handles keys while it is empty, and returns whether it did."""
        self._steer = steer
        super().__init__(id="rate", compact=True, select_on_focus=False)
        self.cursor_blink = False
        self._sign = ""
        self._sign_at = float("-inf")
        self._waiting: Timer | None = None

    async def _on_key(self, event: events.Key) -> None:
        character = event.character or ""
        if self._waiting is not None:
            self._waiting.stop()
            self._waiting = None
            if not character.isdecimal() and character != ".":
                await self._press(self._sign)
        waits = character in ("-", "+")
        if not self.value and not waits and await self._steer(event.key):
            event.stop()
            event.prevent_default()
        elif self._takes(event.key, character):
            event.stop()
            event.prevent_default()
            if not self.value and event.time - self._sign_at < JOINS:
                character = self._sign + character
            elif character == "." and self.value[:1] == "." and "e" not in self.value:
                self.value = self.value[1:]  # that one was the command: a number has one point
                self.cursor_position = len(self.value)
            self.insert_text_at_cursor(character)
        elif event.is_printable:
            if character in ".+-":
                self._sign, self._sign_at = character, event.time
            event.prevent_default()  # it goes on to the screen
            if waits:
                event.stop()
                self._waiting = self.set_timer(JOINS, partial(self._press, character))

    async def _press(self, sign: str) -> None:
        """Carry out the command of a sign without a digit after it."""
        self._waiting = None
        await self._steer("minus" if sign == "-" else "plus")

    def _takes(self, key: str, character: str) -> bool:
        """Return whether a key types a character here."""
        if not character or not self.value:
            return character.isdecimal() or character == ","
        action = at_key(key)
        if action is not None and action.name != NOT_BEHIND_A_NUMBER:
            return character in IN_A_NUMBER
        return character.isprintable()

    def check_consume_key(self, key: str, character: str | None) -> bool:
        """Return whether this takes a key away from the bindings; called by textual."""
        return character is not None and self._takes(key, character)
