"""``lrtui guide``: show the guide, on the screen or as text."""

from __future__ import annotations

from dataclasses import dataclass

from lrtui.commands.arguments import FormOptions, add_form
from lrtui.commands.parser import Parser
from lrtui.commands.showing import reading_files, shows_screen, theme_of
from lrtui.guide import PAGES, page_text
from lrtui.text.ascii_fallback import printable


@dataclass(frozen=True, kw_only=True)
class GuideOptions(FormOptions):
    """Options of ``lrtui guide``."""

    page: str
    theme: str | None

    def __post_init__(self) -> None:
        with reading_files():
            page_text(self.page)


OPTIONS = GuideOptions


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.description = (
        "Show the guide: its pages, with a search through all of them (/); as Markdown where there "
        f"is no terminal. Pages: {', '.join(PAGES)}."
    )
    parser.add_argument("page", nargs="?", default="index", metavar="PAGE", help="(an overview)")
    parser.add_argument("--theme", metavar="NAME", help="colours: one of textual's themes")
    add_form(parser, "plain")


def run(options: GuideOptions) -> int:
    """Show a page.

    Raises:
        BadInput: there is no such theme.
    """
    if not shows_screen(options.plain):
        for line in page_text(options.page).splitlines():
            print(printable(line))
        return 0
    from lrtui.screen.dialogs.guide import GuideApp

    GuideApp(options.page, theme_of(options.theme)).run()
    return 0
