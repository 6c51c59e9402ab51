"""``lrtui config``: print the path of the config file, and the settings in force."""

from __future__ import annotations

import json
import os

from lrtui.commands import lab
from lrtui.commands.arguments import FormOptions, add_form
from lrtui.commands.config_file import apply, read_config
from lrtui.commands.parser import Parser
from lrtui.commands.showing import SCREEN_SPEED, keymap_of, theme_of
from lrtui.text.rates import FACTOR

OPTIONS = FormOptions


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.description = (
        "Print the path of the config file, and each setting in force with where it comes from."
    )
    add_form(parser, "json")


def run(options: FormOptions) -> int:
    """Print the settings.

    Raises:
        BadInput: something is wrong with the file.
    """
    parser, config = Parser(), read_config()
    lab.add_arguments(parser)
    apply(config, parser, parser.parse_args([]))
    given = parser.parse_args([])
    keymap_of(given.keymap)
    speed = {None: "max", 0.0: SCREEN_SPEED}.get(given.speed, given.speed)
    settings = {
        "theme": theme_of(given.theme) or "textual-dark",
        "fps": given.fps,
        "factor": given.factor or FACTOR,
        "speed": speed,
        "notify": given.notify,
        **{f"keymap.{action}": keys for action, keys in given.keymap.items()},
    }
    rows = []
    for key, value in settings.items():
        is_set = key.partition(".")[0] in config.values
        by = "environment" if key == "theme" and os.environ.get("TEXTUAL_THEME") else ""
        rows.append((key, value, by or ("file" if is_set else "default")))
    if options.json:
        found = {key: {"value": value, "from": by} for key, value, by in rows}
        print(
            json.dumps({"path": str(config.path), "exists": bool(config.text), "settings": found})
        )
        return 0
    print(config.path, "" if config.text else "(not there)")
    for key, value, by in rows:
        text = str(value).lower() if isinstance(value, bool) else f"{value}"
        print(f"{key:<16}  {text:<16}  {by}")
    return 0
