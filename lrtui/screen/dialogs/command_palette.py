"""Textual's command palette, safe when several keys arrive at once."""

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
"""Messages of its widgets."""


class Commands(CommandList):
    """The list of commands; ignores a click on a command that has just been removed."""

    async def _on_click(self, event: Click) -> None:
        """Skip textual's handler for an option that no longer exists."""
        if event.style.meta.get("option", 0) >= self.option_count:
            event.prevent_default()


class Palette(CommandPalette):
    """The palette; closes only once, even if several Enters or clicks arrive together."""

    def __init__(self, providers: ProviderSource | None = None, placeholder: str = "") -> None:
        """Create the palette, by default of the app's commands.

        It has no fixed id, unlike textual's, as two of them may exist briefly.
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
        """Close, unless already closing or covered: textual would close the screen on top."""
        if self._is_closing or self.app.screen is not self:
            return AwaitComplete()
        self._is_closing = True
        self._cancel_gather_commands()
        closed: AwaitComplete = super().dismiss()
        return closed

    async def _on_message(self, message: Message) -> None:
        """While closing, ignore further messages of its widgets, such as a second Enter."""
        if not (self._is_closing and isinstance(message, ASKS)):
            await super()._on_message(message)

    def run_worker(  # type: ignore[override]
        self,
        work: Callable[[], Awaitable[None]],
        **settings: Any,  # noqa: ANN401 - as textual has them
    ) -> Worker[None]:
        """Run a search, unless the list has been removed before it starts."""

        async def search() -> None:
            if self.query(CommandList):
                await work()

        return super().run_worker(search, **settings)

    def _on_click(self, event: Click) -> None:  # type: ignore[override]
        """Skip textual's handler for a click outside the palette, which may just have shrunk."""
        if not self.region.contains(event.screen_x, event.screen_y):
            event.prevent_default()

    def _action_command_list(self, action: str) -> None:
        """Move in the list, unless it has no room for a line."""
        if self.query_one(CommandList).scrollable_content_region.area:
            super()._action_command_list(action)
