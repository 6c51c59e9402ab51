"""``lrtui tell``: send one command to a training, for scripts and batch jobs."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec.structs import replace

from lrtui import messages as msg
from lrtui.analysis.comparison import MEANINGS
from lrtui.commands.arguments import FormOptions, add_form, argument
from lrtui.commands.parser import BadInput, Parser, complain
from lrtui.session.tried import difference_text
from lrtui.sources.trainings import Connection, NoTraining, Training, choose
from lrtui.text.ascii_fallback import printable
from lrtui.text.rates import factor_text, parse_rate
from lrtui.text.readers import whole, within

USAGE = (
    "lr RATE, scale FACTOR, release, pause, resume, step, checkpoint, rewind [STEP], "
    "follow [OPTIMIZER], try [FACTOR …], cancel, adopt FACTOR or stop"
)

PLAIN: dict[str, msg.AnyCommand] = {
    "release": msg.Release(),
    "pause": msg.Pause(),
    "resume": msg.Resume(),
    "step": msg.Step(),
    "checkpoint": msg.Checkpoint(),
    "cancel": msg.Cancel(),
    "stop": msg.Stop(),
}
"""Commands of one word."""

ARGUMENTS = {"lr": (1, 1), "scale": (1, 1), "rewind": (0, 1), "follow": (0, 1), "adopt": (1, 1)}
"""Minimum and maximum number of words after a verb; those of ``PLAIN`` have none."""

VERBS = ("try", *ARGUMENTS, *PLAIN)

MAX_FACTORS = 8
"""Most factors of a try."""

LARGEST = 1e6
"""The largest factor, and one over the smallest."""


@dataclass(frozen=True, kw_only=True)
class TellOptions(FormOptions):
    """Options of ``lrtui tell``."""

    words: list[str]
    steps: int
    wait: float


OPTIONS = TellOptions


def add_arguments(parser: Parser) -> None:
    """Complete the parser."""
    parser.usage = "lrtui tell [PID|NAME|SOCKET] COMMAND [--wait SECONDS]"
    parser.description = (
        f"Steer a training and print the step at which it took effect. COMMAND: {USAGE}. "
        "try replays the next steps at factors of the rate (0.5x 1x 2x 4x), leaves the training "
        "as it was, and prints a line for each. Exit code 0 when it took effect, 1 when it could "
        "not be done, 2 for bad input."
    )
    add = parser.add_argument
    seconds = argument(within(0.1, 1e9, "a number of seconds is"))
    add("words", nargs="*", metavar="COMMAND", help="see above")
    number = argument(whole(1, 10_000))
    add("--steps", type=number, default=100, metavar="N", help="of a try (100)")
    add("--wait", type=seconds, default=60.0, metavar="SECONDS", help="for an answer (60)")
    add_form(parser, "json")


def run(options: TellOptions) -> int:
    """Send the command and print the answer.

    Raises:
        BadInput: it is not a command, or the socket cannot be used.
    """
    try:
        target, command = parse_command(options.words, options.steps)
        training = choose(target)
    except NoTraining as error:
        complain(str(error))
        return 1
    except (OSError, ValueError) as error:
        raise BadInput(str(error)) from error
    answer = tell(training, command, options.wait)
    if not answer.done:
        complain(answer.text)
    elif answer.tried is None:
        print(printable(answer.text))
    elif options.json:
        print(msg.encode(answer.tried).decode())
    else:
        for line in lines_of(answer.tried):
            print(printable(line))
    return 0 if answer.done else 1


class Answer(NamedTuple):
    """The answer to a command: in words, whether it took effect, and the result of a try."""

    text: str
    done: bool
    tried: msg.Tried | None = None


def lines_of(tried: msg.Tried) -> list[str]:
    """Return the result of a try, one line for each factor."""
    found = [f"tried on the same {tried.steps:,} steps from {tried.from_step:,}, control exact"]
    for branch in tried.branches:
        said = MEANINGS.get(branch.word, branch.word)
        found.append(f"{factor_text(branch.factor):>6}  {difference_text(branch):<16}  {said}")
    return found + ([tried.warning] if tried.warning else [])


def parse_command(words: Sequence[str], steps: int) -> tuple[str | None, msg.AnyCommand]:
    """Parse a command, of so many steps if it is a try, and its target, ``None`` for the only one.

    Raises:
        ValueError: it is not a command; says why.
    """
    target = None
    if words and words[0] not in VERBS:
        target, *words = words
    if not words:
        raise ValueError(f"which command? {USAGE}")
    verb, *rest = words
    if verb not in VERBS:
        raise ValueError(f"{verb[:24]!r} is not a command; the commands are {USAGE}")
    if verb == "try":
        return target, msg.Try(factors=factors(rest), steps=steps)
    fewest, most = ARGUMENTS.get(verb, (0, 0))
    if not fewest <= len(rest) <= most:
        raise ValueError(f"{verb} takes {fewest or 'no'} number{'s' * (fewest == 0)}")
    if verb == "adopt":
        return target, msg.Adopt(factor=factors(rest)[0])
    if verb == "lr":
        return target, msg.Hold(lr=parse_rate(rest[0]))
    if verb == "scale":
        return target, msg.Scale(by=factor(rest[0]))
    if verb == "rewind":
        return target, msg.Rewind(step=step(rest[0]) if rest else None)
    if verb == "follow":
        return target, msg.Follow(optimizer=rest[0] if rest else "")
    return target, PLAIN[verb]


def factors(words: Sequence[str]) -> list[float]:
    """Parse the factors of a try, such as ``2x``; return the usual ones for none.

    Raises:
        ValueError: one is not a factor, or there are too many.
    """
    if len(words) > MAX_FACTORS:
        raise ValueError(f"a try takes at most {MAX_FACTORS} factors")
    found = [factor(word.removesuffix("x").removesuffix("×")) for word in words]
    return found or [*msg.USUAL_FACTORS]


def factor(text: str) -> float:
    """Parse a factor.

    Raises:
        ValueError: it is not a factor, or out of range.
    """
    try:
        found = parse_rate(text)
    except ValueError:
        found = 0.0
    if not 1 / LARGEST <= found <= LARGEST:
        raise ValueError(f"a factor such as 0.5 is needed, not {text[:24]!r}")
    return found


def step(text: str) -> int:
    """Parse the number of a step.

    Raises:
        ValueError: it is not a number of at most twelve digits.
    """
    digits = text.replace(",", "")
    if not (digits.isascii() and digits.isdigit() and len(digits) < 13):
        raise ValueError(f"the step of a snapshot is needed, not {text[:24]!r}")
    return int(digits)


def tell(training: Training, command: msg.AnyCommand, patience: float) -> Answer:
    """Send a command to a training, and wait for its answer for ``patience`` seconds.

    Wait for the end of a try, however long it takes, once it has begun.
    """
    kind = str(command.__struct_config__.tag)
    try:
        connection = Connection(training.path)
    except (OSError, ValueError) as error:
        return Answer(f"the training cannot be reached: {error}", False)
    with connection.socket as link:
        if missing := unable(connection.greeting, kind):
            return Answer(missing, False)
        until = time.monotonic() + patience
        data = connection.rest
        try:
            link.sendall(msg.encode(replace(command, id=1)) + b"\n")
            while True:
                *lines, data = data.split(b"\n")
                for line in lines:
                    message = msg.decode_message(line)
                    if isinstance(message, msg.Tried) and message.answers == 1:
                        return Answer("", True, message)
                    if not (isinstance(message, msg.Steered) and message.answers == 1):
                        continue
                    if isinstance(command, msg.Try) and message.done:
                        until = math.inf  # it has begun
                    else:
                        text = f"step {message.step:,}: {message.text}"
                        return Answer(text, message.done)
                left = max(until - time.monotonic(), 0.001)
                link.settimeout(None if left == math.inf else left)
                if not (more := link.recv(65536)):
                    return Answer("the training ended before it could", False)
                data += more
        except TimeoutError:
            return Answer(f"no answer within {patience:g} s; it may still take effect", False)
        except (OSError, ValueError) as error:
            return Answer(f"the training cannot be reached any more: {error}", False)


def unable(greeting: msg.Greeting, kind: str) -> str:
    """Say why a training cannot carry out a kind of command; empty if it can."""
    able = {"resume": "pause", "cancel": "try"}.get(kind, kind)
    if able in greeting.capabilities:
        return ""
    if kind == "adopt":
        return "there is no try to adopt a branch of"
    needs = {"checkpoint": "checkpoint=", "rewind": "model="}.get(kind)
    why = f": its Monitor was given no {needs}" if needs else ""
    return f"{greeting.name} cannot {kind}{why}"
