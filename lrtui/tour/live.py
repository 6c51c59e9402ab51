"""Starts a training in a process of its own, and plays a script on it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from lrtui.analysis.headroom import ROOM
from lrtui.screen.control.controller import Controller
from lrtui.sources.socket import SocketSource
from lrtui.sources.trainings import choose
from lrtui.tour.player import KEY_SECONDS, Story
from lrtui.tour.script import Scene

START_SECONDS = 60.0
"""Most seconds until the training takes its first step."""

END_SECONDS = 5.0
"""Seconds that a training may take to end before it is killed."""

BUILT_IN = {"language-model": Path(__file__).parent / "language_model.py"}


@contextlib.contextmanager
def started(script: str) -> Iterator[SocketSource]:
    """Start a training by ``lrtui run``, and end it on exit.

    Raises:
        ValueError: see ``socket_of``.
    """
    path = BUILT_IN.get(script, Path(script))
    with tempfile.TemporaryDirectory(prefix="lrtui-") as folder:
        command = [sys.executable, "-m", "lrtui", "run", str(path)]
        log = Path(folder) / "log"
        with log.open("wb") as out:
            process = subprocess.Popen(
                command,
                env={**os.environ, "LRTUI_DIR": str(Path(folder) / "s")},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
            )
        try:
            yield SocketSource(choose(str(socket_of(process, Path(folder) / "s", log))))
        finally:
            process.terminate()
            try:
                process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def socket_of(process: subprocess.Popen[bytes], folder: Path, log: Path) -> Path:
    """Wait for the socket of a training.

    Raises:
        ValueError: it ends first, or takes too long; quotes the last line that it printed.
    """
    until = time.monotonic() + START_SECONDS
    while not (found := [*folder.glob("*.sock")]):
        if process.poll() is not None or time.monotonic() > until:
            last = log.read_text(errors="replace").strip().rpartition("\n")[2]
            raise ValueError(f"the training of the tour did not start: {last or 'no output'}")
        time.sleep(0.05)
    return found[0]


class LiveTour(Story):
    """The main screen on a training, playing a script until the user takes over."""

    def __init__(
        self, source: SocketSource, scenes: Sequence[Scene], *, fps: float, pace: float
    ) -> None:
        """Create the screen of a training; ``pace`` as in ``Story``, not that of the training."""
        super().__init__(Controller(source, [], speed=None), scenes, fps=fps, pace=pace)

    def on_mount(self) -> None:
        """Start the frames and the story."""
        super().on_mount()
        self.run_worker(self._play(), exit_on_error=True)

    async def _play(self) -> None:
        for scene in self._scenes:
            for _ in self._perform(scene):
                await asyncio.sleep(self._frame_time / self._pace)
                while self.view.session.paused and self.playing:
                    await asyncio.sleep(self._frame_time)
                if not self.playing:
                    return
        self.app.exit()

    def _perform(self, scene: Scene) -> Iterator[None]:
        """Perform a line of the script; yield for each frame to show."""
        match scene.verb:
            case "type":
                yield from self.type(scene.text)
                self.submit(scene.text)
            case "until":
                while not self._has_come(scene):
                    yield
            case _:
                yield from self.perform(scene)
        yield from self.frames_for(KEY_SECONDS)

    def _has_come(self, scene: Scene) -> bool:
        """Return whether the event of a line has come."""
        run = self.view.session.current
        if run is None or run.live is None:
            return False
        live = run.live
        match scene.text:
            case "room":
                return live.gauge is not None and live.gauge.word == ROOM
            case "tried":
                return live.tried is not None
            case "spike":
                return run.spikes.now is not None
        return run.step >= scene.number or not run.is_on
