"""Where ``lrtui`` and ``python -m lrtui`` begin."""

from __future__ import annotations

import sys
from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run lrtui; return 0 when it was carried out, 1 when it could not be, 2 for bad input."""
    words = sys.argv[1:] if arguments is None else [*arguments]
    if words[:1] == ["run"]:
        from lrtui.commands.run import run_script

        return run_script(words[1:])  # whatever it does or raises is its own
    from lrtui.commands import cli

    return cli.main(words)


if __name__ == "__main__":
    sys.exit(main())
