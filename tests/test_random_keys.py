"""Nothing that is typed ends the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.random_keys import press


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2])
def test_random_keys_and_sizes(seed: int, tmp_path: Path) -> None:
    writes, _ = press(seed, 6, str(tmp_path))
    assert writes > 15
