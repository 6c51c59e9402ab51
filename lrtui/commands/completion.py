"""``lrtui completion``: print the script by which a shell completes command lines of lrtui."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module

from lrtui.commands import lab
from lrtui.commands.arguments import FormOptions, add_form
from lrtui.commands.parser import COMMANDS, Parser
from lrtui.commands.tell import VERBS
from lrtui.guide import PAGES
from lrtui.messages.problem_settings import BUILT_IN
from lrtui.tour.script import TOURS

SHELLS = ("bash", "zsh", "fish")

NAMES = {"PAGE": PAGES, "COMMAND": VERBS, "PROBLEM": BUILT_IN, "TOUR": [*filter(None, TOURS)]}
"""What is offered for an argument, by its metavar; bash offers files besides."""


@dataclass(frozen=True, kw_only=True)
class CompletionOptions(FormOptions):
    """Options of ``lrtui completion``."""

    shell: str


OPTIONS = CompletionOptions


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.description = (
        'Print a completion script. bash: eval "$(lrtui completion bash)" in ~/.bashrc; zsh: save '
        "it as _lrtui in a folder of $fpath; fish: as ~/.config/fish/completions/lrtui.fish."
    )
    parser.add_argument("shell", choices=SHELLS, help="bash, zsh or fish")
    add_form(parser)


def run(options: CompletionOptions) -> int:
    """Print the script."""
    import shtab

    script = shtab.complete(whole_parser(), options.shell)
    # A file of the user's own may take the place of a name.
    print(script.replace("complete -o bashdefault -F", "complete -o bashdefault -o default -F"))
    return 0


def whole_parser() -> Parser:
    """Return a parser of all commands; the name of a built-in problem counts as a command."""
    import shtab

    whole = Parser(prog="lrtui")
    commands = whole.add_subparsers()
    for name in (*COMMANDS, "run"):
        module = import_module(f"lrtui.commands.{name}")
        module.add_arguments(commands.add_parser(name, help=""))
    of_lab = {name: commands.add_parser(name, help=BUILT_IN[name].shows) for name in BUILT_IN}
    for parser in (whole, *of_lab.values()):
        lab.add_arguments(parser)
        parser._actions[:] = [action for action in parser._actions if action.dest != "problem"]
    for parser in (whole, *commands.choices.values()):
        for action in parser._actions:
            if action.metavar in NAMES:
                action.choices = [*NAMES[action.metavar]]
            elif action.metavar in ("FILE", "SCRIPT"):
                vars(action)["complete"] = shtab.FILE
            elif action.metavar == "FOLDER":
                vars(action)["complete"] = shtab.DIRECTORY
    return whole
