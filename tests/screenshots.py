"""Makes every picture under ``screenshots/`` anew: ``python -m tests.screenshots``."""

from __future__ import annotations

import asyncio
from pathlib import Path

from lrtui.messages import Problem
from lrtui.screen.app import LrtuiApp
from lrtui.screen.experiment import Experiment
from lrtui.screen.lab import Lab
from lrtui.source import Trainer

FOLDER = Path(__file__).parent.parent / "screenshots"

PICTURES = {
    # name: size, rates, the step at which the last run is held
    "running": ((120, 36), (0.1,), 43),
    "settled": ((120, 36), (0.1, 0.7), 100),
    "diverged": ((120, 36), (0.1, 0.7, 1.01), 100),
    "infinity": ((120, 36), (0.1, 0.7, 1.01, 50.0), 10),
    "small": ((80, 24), (0.1, 0.7, 1.01), 100),
}


async def picture(name: str, size: tuple[int, int], rates: tuple[float, ...], until: int) -> None:
    """Runs the real program without a terminal and saves its screen."""
    trainer = Trainer(Problem())
    experiment = Experiment(trainer, rates, steps=100, speed=100.0, every=10)
    lab = Lab(experiment, fps=20)
    app = LrtuiApp(lab, "textual-dark")
    async with app.run_test(size=size) as pilot:
        while not (experiment.session.current and experiment.session.current.number == len(rates)):
            await pilot.pause(0.02)
        while experiment.session.current.step < until:
            await pilot.pause(0.005)
        if experiment.session.current.outcome is None:
            await pilot.press("space")
        await pilot.pause(0.5)
        app.save_screenshot(f"{name}.svg", str(FOLDER))
    trainer.close()
    print(FOLDER / f"{name}.svg")


def main() -> None:
    """Makes all of them."""
    FOLDER.mkdir(exist_ok=True)
    for name, settings in PICTURES.items():
        asyncio.run(picture(name, *settings))


if __name__ == "__main__":
    main()
