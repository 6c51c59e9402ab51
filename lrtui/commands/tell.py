"""``lrtui tell``: send one command to a training, for scripts and batch jobs."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from dataclasses import dataclass

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.commands.arguments import FormOptions, add_form, argument, typed
from lrtui.commands.parser import BadInput, Parser, complain
from lrtui.sources.trainings import Connection, NoTraining, Training, choose
from lrtui.text.ascii_fallback import printable
from lrtui.text.rates import parse_rate
from lrtui.text.readers import within

USAGE = (
    "lr RATE, scale FACTOR, release, pause, resume, step, checkpoint, rewind [STEP], "
    "follow [OPTIMIZER] or stop"
)

PLAIN: dict[str, msg.AnyCommand] = {
    "release": msg.Release(),
    "pause": msg.Pause(),
    "resume": msg.Resume(),
    "step": msg.Step(),
    "checkpoint": msg.Checkpoint(),
    "stop": msg.Stop(),
}
"""Commands of one word."""

VERBS = ("lr", "scale", "rewind", "follow", *PLAIN)

LARGEST = 1e6
"""The largest factor, and one over the smallest."""


@dataclass(frozen=True, kw_only=True)
class TellOptions(FormOptions):
    """Options of ``lrtui tell``."""

    words: list[str]
    wait: float


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.usage = "lrtui tell [PID|NAME|SOCKET] COMMAND [--wait SECONDS]"
    parser.description = (
        "Steer a training and print the step at which it took effect. COMMAND: lr RATE, "
        "scale FACTOR, release, pause, resume, step, checkpoint, rewind [STEP], stop. Exit code 0 "
        "when it took effect, 1 when it could not be done, 2 for bad input."
    )
    add = parser.add_argument
    seconds = argument(within(0.1, 1e9, "a number of seconds is"))
    add("words", nargs="*", metavar="COMMAND", help="see above")
    add("--wait", type=seconds, default=60.0, metavar="SECONDS", help="for an answer (60)")
    add_form(parser)


def options(found: argparse.Namespace) -> TellOptions:
    """Return what was asked for."""
    return typed(TellOptions, found)


def run(options: TellOptions) -> int:
    """Send the command and print what came of it.

    Raises:
        BadInput: it is not a command, or the socket cannot be used.
    """
    try:
        target, command = parse_command(options.words)
        training = choose(target)
    except NoTraining as error:
        complain(str(error))
        return 1
    except (OSError, ValueError) as error:
        raise BadInput(str(error)) from error
    text, done = tell(training, command, options.wait)
    if done:
        print(printable(text))
    else:
        complain(text)
    return 0 if done else 1


def parse_command(words: Sequence[str]) -> tuple[str | None, msg.AnyCommand]:
    """Read what is to be told, and to which training, ``None`` for the only one.

    Raises:
        ValueError: it is not a command; says why.
    """
    target = None
    if words and words[0] not in VERBS:
        target, *words = words
    if not words:
        raise ValueError(f"what is to be told? {USAGE}")
    verb, *rest = words
    if verb not in VERBS:
        raise ValueError(f"{verb[:24]!r} cannot be told; {USAGE} can")
    needed = {"lr": 1, "scale": 1}.get(verb, 0)
    if len(rest) < needed or len(rest) > max(needed, verb in ("rewind", "follow")):
        raise ValueError(f"{verb} takes {needed or 'no'} number{'s' * (needed == 0)}")
    if verb == "lr":
        return target, msg.Hold(lr=parse_rate(rest[0]))
    if verb == "scale":
        return target, msg.Scale(by=factor(rest[0]))
    if verb == "rewind":
        return target, msg.Rewind(step=step(rest[0]) if rest else None)
    if verb == "follow":
        return target, msg.Follow(optimizer=rest[0] if rest else "")
    return target, PLAIN[verb]


def factor(text: str) -> float:
    """Read a factor.

    Raises:
        ValueError: it is not one; says why.
    """
    try:
        found = parse_rate(text)
    except ValueError:
        found = 0.0
    if not 1 / LARGEST <= found <= LARGEST:
        raise ValueError(f"a factor such as 0.5 is needed, not {text[:24]!r}")
    return found


def step(text: str) -> int:
    """Read the number of a step.

    Raises:
        ValueError: it is not one.
    """
    digits = text.replace(",", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 13):
        raise ValueError(f"the step of a snapshot is needed, not {text[:24]!r}")
    return int(digits)


def tell(training: Training, command: msg.AnyCommand, patience: float) -> tuple[str, bool]:
    """Send a command to a training and wait for its answer.

    Args:
        training: which.
        command: what to tell it.
        patience: seconds to wait.

    Returns:
        What came of it, and whether it took effect.
    """
    kind = str(command.__struct_config__.tag)
    try:
        connection = Connection(training.path)
    except (OSError, ValueError) as error:
        return f"the training cannot be reached: {error}", False
    with connection.socket as link:
        if missing := unable(connection.greeting, kind):
            return missing, False
        until = time.monotonic() + patience
        data = connection.rest
        try:
            link.sendall(msg.encode(replace(command, id=1)) + b"\n")
            while True:
                *lines, data = data.split(b"\n")
                for line in lines:
                    message = msg.decode_message(line)
                    if isinstance(message, msg.Steered) and message.answers == 1:
                        return in_words(message), message.done
                link.settimeout(max(until - time.monotonic(), 0.001))
                if not (more := link.recv(65536)):
                    return "the training ended before it could", False
                data += more
        except TimeoutError:
            return f"no answer within {patience:g} s; it may still take effect", False
        except (OSError, ValueError) as error:
            return f"the training cannot be reached any more: {error}", False


def unable(greeting: msg.Greeting, kind: str) -> str:
    """Say why a training cannot do something, empty if it can."""
    able = "pause" if kind == "resume" else kind
    if able in greeting.capabilities:
        return ""
    needs = {"checkpoint": "checkpoint=", "rewind": "model="}.get(kind)
    why = f": its Monitor was given no {needs}" if needs else ""
    return f"{greeting.name} cannot {kind}{why}"


def in_words(steered: msg.Steered) -> str:
    """Say what came of a command, and at which step."""
    return f"step {steered.step:,}: {steered.text}"
