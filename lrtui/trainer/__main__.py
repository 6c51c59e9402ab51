"""The trainer process: commands on standard input, messages on standard output.

It ends when its standard input ends, so it never outlives the program that started it.
"""

from __future__ import annotations

import os
import sys
import traceback
from queue import SimpleQueue
from threading import Thread

import msgspec

from lrtui.messages import AnyCommand, Message, Problem, decode_command, encode


def main() -> None:
    """Serves commands until standard input ends."""
    # The pipe is for messages alone: whatever else is printed goes where errors go.
    pipe = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]

    def send(message: Message) -> None:
        try:
            pipe.write(encode(message) + b"\n")
            pipe.flush()
        except BrokenPipeError:
            os._exit(0)  # nobody listens any more

    problem = msgspec.json.decode(sys.argv[1], type=Problem)
    inbox: SimpleQueue[AnyCommand] = SimpleQueue()
    # Before torch, so that the end of standard input is noticed while torch still loads.
    Thread(target=listen, args=(inbox,), daemon=True).start()
    try:
        from lrtui.trainer.worker import Worker

        Worker(problem, inbox, send).serve()
    except BaseException:
        # Not the ordinary way out: it aborts on the thread that still reads standard input.
        traceback.print_exc()
        os._exit(1)


def listen(inbox: SimpleQueue[AnyCommand]) -> None:
    """Puts every command on standard input into the inbox; ends the process with the input."""
    for line in sys.stdin.buffer:
        try:
            inbox.put(decode_command(line))
        except ValueError as error:
            print(f"the trainer was sent no command: {error}", file=sys.stderr, flush=True)
            os._exit(2)
    os._exit(0)


main()
