"""Random runs of the lab: forecast, verdict, table and advice are so, and agree with each other.

Over problems, optimizers, momenta, decays, schedules, batches, steps, rates and changes of them;
``python -m tests.benchmarks.lab_truth`` counts more of them, on other seeds.
"""

from __future__ import annotations

import pytest

from tests.benchmarks.lab_truth import Found, check


@pytest.mark.parametrize("seed", range(300, 306))
@pytest.mark.parametrize("changes", [False, True], ids=["one rate", "two rates"])
@pytest.mark.slow
def test_what_is_said_of_a_run_is_so(seed: int, changes: bool) -> None:
    found = Found()
    check(seed, found, take_advice=False, changes=changes)
    assert found.runs == 1
    assert found.wrong == []


@pytest.mark.parametrize("seed", range(400, 404))
@pytest.mark.slow
def test_the_run_after_an_advice_is_no_worse(seed: int) -> None:
    found = Found()
    check(seed, found)
    assert found.worse == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_of_many_runs_nothing_that_is_said_is_wrong() -> None:
    found = Found()
    for seed in range(60_000, 60_020):
        check(seed, found, changes=seed % 2 == 1)
    print(found.words)
    assert found.wrong == []
    assert found.worse == []
    assert found.advices > 12
    assert len(found.words) > 6
