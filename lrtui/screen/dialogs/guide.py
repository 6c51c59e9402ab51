"""The guide on the screen: its pages with their contents, and a search through all of them."""

from __future__ import annotations

import os
import re
from pathlib import PurePath
from typing import ClassVar

from textual import on
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Input, MarkdownViewer, Static

from lrtui.guide import PAGES, page_text, plain_text
from lrtui.screen.terminal.choice import driver_class

WIDE = 110
"""Minimum columns for the table of contents beside a page."""

HEAD = " lrtui guide: {}   n p pages   / search   t contents   q leave"


def shown(page: str) -> str:
    """Return a page with its links struck out, which the style sheet shows as underlined."""
    return re.sub(r"(?<!!)\[([^]]+)\](?=\()", r"[~~\1~~]", page_text(page))


class Pages(MarkdownViewer):
    """A Markdown viewer of the guide's pages, which ignores the folders in links to them.

    Attributes:
        page: the page that is shown.
    """

    page = ""

    async def go(self, location: str | PurePath) -> None:
        """Show a page or a heading; open a link to the web in a browser."""
        path, _, anchor = str(location).partition("#")
        page = PurePath(path).stem or self.page
        if path.startswith("https://"):
            self.app.open_url(path)
        elif page in (*PAGES, "index"):  # any other is a file of the repository
            if page != self.page:
                self.page = page
                await self.document.update(shown(page))
                self.scroll_home(animate=False)
                self.post_message(self.NavigatorUpdated())
            if anchor:
                self.call_after_refresh(self.document.goto_anchor, anchor)


class Guide(ModalScreen[None]):
    """Shows the guide until it is left."""

    DEFAULT_CSS = """
    Guide { background: $background; }
    Guide #guide-head { height: 1; color: $text-muted; }
    Guide MarkdownViewer, Guide MarkdownTableOfContents, Guide Tree { background: $background; }
    Guide #search { display: none; height: 1; border: none; padding: 0 1; }
    Guide #search.-open { display: block; }
    Guide .-found { background: $accent 30%; text-style: reverse; }
    Guide MarkdownBlock > .s { text-style: underline; }
    Guide MarkdownHeader, Guide MarkdownTableContent > .header { color: $text-primary; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("slash", "search", "Search"),
        Binding("t", "contents", "Contents"),
        Binding("n", "turn(1)", "Next page"),
        Binding("p", "turn(-1)", "Page before"),
        Binding("escape", "close", "Close the search, or leave"),
        Binding("q", "dismiss", "Leave"),
    ]

    def __init__(self, page: str = "index") -> None:
        """Create the screen, open at a page."""
        super().__init__()
        self._first = page
        self._pages = Pages(show_table_of_contents=self.app.size.width >= WIDE, open_links=False)
        self._found: Widget | None = None

    def compose(self) -> ComposeResult:
        """Lay out the pages, with the search field below."""
        yield Static(id="guide-head", markup=False)
        yield self._pages
        yield Input(id="search", placeholder="search all pages; Enter goes to the next place")

    async def on_mount(self) -> None:
        """Show the first page, and give it the keys."""
        await self._pages.go(self._first)
        self._pages.document.focus()

    @on(Pages.NavigatorUpdated)
    def _turned(self) -> None:
        """Say which page is shown."""
        self.query_one("#guide-head", Static).update(HEAD.format(self._pages.page))

    def action_contents(self) -> None:
        """Show the table of contents beside the page, or hide it."""
        self._pages.show_table_of_contents = not self._pages.show_table_of_contents

    async def action_turn(self, by: int) -> None:
        """Show the next page of the guide, or the one before."""
        at = PAGES.index(self._pages.page) if self._pages.page in PAGES else -1
        if 0 <= at + by < len(PAGES):
            await self._pages.go(PAGES[at + by])

    def action_search(self) -> None:
        """Open the search field."""
        self.query_one("#search").add_class("-open").focus()

    def action_close(self) -> None:
        """Close the search field, or leave if it is not open."""
        field = self.query_one("#search")
        if not field.has_class("-open"):
            self.dismiss()
        field.remove_class("-open")
        self._pages.document.focus()

    @on(Input.Submitted)
    async def _search(self, event: Input.Submitted) -> None:
        """Go to the next place with the text: on this page, or else on the pages after it."""
        text = event.value.casefold().strip()
        if not text:
            return
        here = PAGES.index(self._pages.page) if self._pages.page in PAGES else -1
        if self._mark(text):
            return
        for page in (*PAGES[here + 1 :], *PAGES[: here + 1]):
            if text in plain_text(page).casefold():
                await self._pages.go(page)
                if self._mark(text):
                    return
        event.input.placeholder = f"{event.value} is on no page"
        event.input.clear()

    def _mark(self, text: str) -> bool:
        """Mark and show the next place with a text on this page; return whether there is one."""
        places = [
            w for w in self._pages.document.query(Static) if text in str(w.content).casefold()
        ]
        if self._found in places:
            places = places[places.index(self._found) + 1 :]
        if self._found is not None:
            self._found.remove_class("-found")
        self._found = places[0] if places else None
        if self._found is None:
            return False
        self._found.add_class("-found")
        # A page that was just opened has no layout yet.
        self.call_after_refresh(
            self._pages.scroll_to_widget, self._found, animate=False, center=True
        )
        return True


class GuideApp(App[None]):
    """The guide alone, as ``lrtui guide`` shows it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+c", "quit", "Leave", priority=True)]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, page: str, theme: str | None) -> None:
        """Create the app, open at a page; ``theme`` as in ``LrtuiApp``."""
        super().__init__(driver_class=driver_class(os.environ))
        few = self.console.color_system == "standard"
        self.theme = theme or ("ansi-dark" if few else "textual-dark")
        self._page = page

    def on_mount(self) -> None:
        """Show the guide, and leave with it."""
        self.push_screen(Guide(self._page), lambda _: self.exit())
