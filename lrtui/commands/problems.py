"""``lrtui problems``: list the problems that come with lrtui."""

from __future__ import annotations

from lrtui.commands.arguments import FormOptions, add_form
from lrtui.commands.parser import Parser
from lrtui.messages.problem_settings import BUILT_IN

OPTIONS = FormOptions


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.description = "List the problems that come with lrtui."
    add_form(parser, "json")


def run(options: FormOptions) -> int:
    """Print the problems."""
    if options.json:
        from lrtui.messages import encode
        from lrtui.session.reports import Problems

        print(encode(Problems(names=[*BUILT_IN])).decode())
        return 0
    for name, built_in in BUILT_IN.items():
        print(f"{name:<12} {built_in.shows}")
    print("FILE.py      a model, a loss and data of your own (lrtui guide any-problem shows one)")
    print("FILE.csv     a table of your own, for --target COLUMN")
    return 0
