"""The trainer process: commands on standard input, messages on standard output.

It ends with its standard input, so it never outlives its parent.
"""

from __future__ import annotations

import gc
import os
import sys
import traceback
from importlib.metadata import version
from queue import SimpleQueue
from threading import Lock, Thread

import msgspec

from lrtui import messages as msg
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.text.version import __version__


def main() -> None:
    """Serve commands until standard input ends."""
    # Standard output is for messages only; prints of training code go to standard error.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]

    writing = Lock()  # a timer thread reports slow loading

    def send(message: msg.Message) -> None:
        try:
            with writing:
                pipe.write(msg.encode(message) + b"\n")
                pipe.flush()
        except BrokenPipeError:
            os._exit(0)  # the reader is gone

    def greet(settings: ProblemSettings) -> None:
        send(
            msg.Greeting(
                program=f"lrtui {__version__}, torch {version('torch')}",
                pid=os.getpid(),
                folder=os.getcwd(),
                title=settings.title,
                capabilities=list(msg.ALL_CAPABILITIES),
            )
        )

    settings = msgspec.json.decode(sys.argv[1], type=ProblemSettings)
    inbox: SimpleQueue[msg.AnyCommand] = SimpleQueue()
    # Before torch, to notice the end of standard input while torch loads.
    Thread(target=listen, args=(inbox,), daemon=True).start()
    try:
        greet(settings)
        gc.disable()  # a tenth of the time of the imports; none of this is ever garbage
        import torch

        from lrtui.trainer.loop import Trainer

        gc.freeze()
        gc.enable()

        # One thread is fastest for problems this small, and leaves a core to the screen.
        torch.set_num_threads(1)
        Trainer(settings, inbox, send, greet).serve()
    except BaseException:
        # sys.exit would abort because the thread still reads standard input.
        traceback.print_exc()
        os._exit(1)


def listen(inbox: SimpleQueue[msg.AnyCommand]) -> None:
    """Move commands from standard input to the inbox; exit at its end."""
    for line in sys.stdin.buffer:
        try:
            command = msg.decode_command(line)
        except ValueError as error:
            print(f"not a command: {error}", file=sys.stderr, flush=True)
            os._exit(2)
        if command is not None:
            inbox.put(command)
    os._exit(0)


if __name__ == "__main__":
    main()
