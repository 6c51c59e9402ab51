"""On which device the trainings of these tests are, and what is recorded of them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lrtui.monitor.tape import Tape
from tests.monitor.late import ENVIRONMENT


@pytest.fixture(params=["cpu", "late"])
def any_device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a test's trainings on the CPU, then on a device whose numbers arrive late."""
    if request.param == "late":
        monkeypatch.setenv(ENVIRONMENT, "1")


@pytest.fixture
def recorded_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have nothing count that other tests of this process have compiled; leave no recording."""
    monkeypatch.setattr("lrtui.monitor.own_batch.has_compiled", lambda: False)
    yield
    if Tape.active is not None:
        Tape.active.stop()
