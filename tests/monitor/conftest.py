"""On which device the trainings of these tests are."""

from __future__ import annotations

import pytest

from tests.monitor.late import ENVIRONMENT


@pytest.fixture(params=["cpu", "late"])
def any_device(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have a test's trainings on the CPU, then on a device whose numbers arrive late."""
    if request.param == "late":
        monkeypatch.setenv(ENVIRONMENT, "1")
