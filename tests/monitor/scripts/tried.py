"""Run trainings as they are, or with a try in their midst; print a line of JSON for each.

    tried.py MODE... -- NAME...

A MODE is plain, watched, FACTORS, scale=FACTOR or adopt=FACTOR; each has a process of its own.

With ``watched`` they are watched and nothing is tried. FACTORS are those of a try, such as 0.5,1,2.
With ``scale`` the rate is scaled where a try would begin, with ``adopt`` a branch adopted as soon
as the try is over.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import setups

STEPS, AT, RECORDED = 60, 12, 20


def seed() -> None:
    torch.manual_seed(1)
    random.seed(1)
    np.random.seed(1)


def main() -> None:
    end = sys.argv.index("--")
    for mode in sys.argv[1:end]:
        sys.stdout.flush()
        if (child := os.fork()) == 0:
            run(mode, sys.argv[end + 1 :])
            sys.stdout.flush()
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(1)


def run(mode: str, names: list[str]) -> None:
    """Run the trainings in one way."""
    torch.set_num_threads(1)
    found: dict[str, Any] = {}
    if mode != "plain":
        watch(mode, found)
    for name in names:
        seed()
        found.clear()
        print(
            json.dumps(
                {"mode": mode, "name": name, "digest": getattr(setups, name)(STEPS), **found}
            )
        )


def watch(mode: str, found: dict[str, Any]) -> None:
    """Watch all trainings of this process, and try FACTORS after the step AT of each."""
    from lrtui import messages as msg
    from lrtui.monitor import headroom, own_batch
    from lrtui.monitor.automatic import Automatic
    from lrtui.monitor.channel import Channel
    from lrtui.monitor.command_queue import PendingCommand
    from lrtui.monitor.monitor import Monitor
    from lrtui.monitor.options import RunOptions
    from lrtui.monitor.publisher import Publisher
    from lrtui.monitor.vitals import Vitals

    watches = mode in ("watched", "sharp")
    if watches:  # as often as can be
        own_batch.FIRST_STEP, own_batch.TIME_SHARE = 5, 1e9
        headroom.FIRST_STEP, headroom.TIME_SHARE = 5, 1e9
    if mode == "sharp":
        Publisher.sees_all = property(lambda publisher: True)  # type: ignore[assignment, misc]
        own_batch.OwnBatch._check = taken_for_the_same  # type: ignore[method-assign]
    begin, publish, record = Channel.begin, Channel._publish, Monitor.record
    take = Vitals.take
    verb, _, value = mode.partition("=")

    def commands() -> Iterator[tuple[msg.AnyCommand, int]]:
        if verb == "scale":
            yield msg.Scale(id=1, by=float(value)), AT
        elif not watches:
            factors = [*map(float, (value or verb).split(","))]
            yield msg.Try(id=1, factors=factors, steps=RECORDED), AT
        if verb == "adopt":
            yield msg.Adopt(id=2, factor=float(value)), AT + RECORDED

    def noting_take(vitals: Vitals, loss: Any) -> Any:
        vitals.sees_all = mode == "sharp"
        taken = take(vitals, loss)
        for name in taken or ():
            found[name] = found.get(name, 0) + 1
        return taken

    def posting_begin(channel: Channel, *args: Any) -> None:
        begin(channel, *args)
        if "asked" not in found:
            found["asked"] = True
            channel.queue.attend_at = 0
            for command, at in commands():
                channel.queue.post(PendingCommand(command, "test", 1, channel.queue.step + at))

    def noting_record(monitor: Monitor, loss: Any, scalars: Any) -> None:
        found.setdefault("losses", []).append(None if loss is None else float(loss))
        record(monitor, loss, scalars)

    def noting_publish(channel: Channel, message: Any) -> None:
        publish(channel, message)
        said = message.message
        if isinstance(said, msg.Steered) and said.command in ("try", "adopt"):
            found["done"], found["text"] = said.done, said.text
        if isinstance(said, msg.Tried):
            found["branches"] = [[b.factor, b.losses, b.word] for b in said.branches]
            found["warning"] = said.warning

    Channel.begin = posting_begin  # type: ignore[method-assign]
    Vitals.take = noting_take  # type: ignore[method-assign]
    Monitor.record = noting_record  # type: ignore[method-assign]
    Channel._publish = noting_publish  # type: ignore[method-assign]
    Automatic(RunOptions(vitals=watches, own_batch=mode == "watched"))


def taken_for_the_same(own: Any, loss: Any) -> None:
    """Give a reading whatever data the last step has seen; it must have had a loss."""
    own.reading, own._is_sure, own._expected, own.due = own._found, True, None, own._next
    assert loss is not None


if __name__ == "__main__":
    main()
