"""Textual's command palette, made safe against keys that arrive bundled."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from textual.app import ComposeResult
from textual.await_complete import AwaitComplete
from textual.command import CommandInput, CommandList, CommandPalette, ProviderSource
from textual.containers import Horizontal, Vertical
from textual.events import Click
from textual.message import Message
from textual.widgets import Input, LoadingIndicator, OptionList
from textual.worker import Worker

ASKS = Input.Changed | Input.Submitted | OptionList.OptionSelected
"""What its widgets ask of it."""


class Commands(CommandList):
    """The list of commands; a click on one that has just gone from the list does nothing."""

    async def _on_click(self, event: Click) -> None:
        """Keep textual's own handler from an option that is not there any more."""
        if event.style.meta.get("option", 0) >= self.option_count:
            event.prevent_default()


class Palette(CommandPalette):
    """The palette; it closes once, however many Enters or clicks arrive at the same time."""

    def __init__(self, providers: ProviderSource | None = None, placeholder: str = "") -> None:
        """Make the palette, without textual's fixed id, which two of them cannot share.

        Args:
            providers: of its commands, ``None`` for those of the app.
            placeholder: shown while nothing is typed.
        """
        super().__init__(providers, placeholder=placeholder or "Search for commands…")
        self._is_closing = False

    def compose(self) -> ComposeResult:
        """Lay out the field and the list, as textual does."""
        with Vertical(id="--container"):
            with Horizontal(id="--input"):
                yield CommandInput(placeholder=self._placeholder, select_on_focus=False)
            with Vertical(id="--results"):
                yield Commands()
                yield LoadingIndicator()

    def dismiss(self, result: object = None) -> AwaitComplete:
        """Close, unless it is closing already or under another screen: textual closes the top."""
        if self._is_closing or self.app.screen is not self:
            return AwaitComplete()
        self._is_closing = True
        self._cancel_gather_commands()
        closed: AwaitComplete = super().dismiss()
        return closed

    async def _on_message(self, message: Message) -> None:
        """Ignore what its widgets still have to say while it closes, a second Enter above all."""
        if not (self._is_closing and isinstance(message, ASKS)):
            await super()._on_message(message)

    def run_worker(  # type: ignore[override]
        self,
        work: Callable[[], Awaitable[None]],
        **settings: Any,  # noqa: ANN401 - as textual has them
    ) -> Worker[None]:
        """Run a search, unless the list is gone before it begins: closed, or the app left."""

        async def search() -> None:
            if self.query(CommandList):
                await work()

        return super().run_worker(search, **settings)

    def _on_click(self, event: Click) -> None:  # type: ignore[override]
        """Keep textual's own handler from a click beside what has just become smaller."""
        if not self.region.contains(event.screen_x, event.screen_y):
            event.prevent_default()

    def _action_command_list(self, action: str) -> None:
        """Move in the list, unless the terminal is so small that there are no lines to move by."""
        if self.query_one(CommandList).scrollable_content_region.area:
            super()._action_command_list(action)
