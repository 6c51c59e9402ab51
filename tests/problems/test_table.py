"""Tables of a person's own: what is read, what is left out, and the closed form in d dimensions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lrtui.analysis.theory import Theory
from lrtui.messages import LineScene, Optimizer
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.load import load
from lrtui.problems.problem import Problem, ProblemError
from lrtui.trainer.training import Training


def table(tmp_path: Path, text: str, target: str | None = "y", **more: object) -> Problem:
    path = tmp_path / "t.csv"
    path.write_text(text)
    return load(ProblemSettings(name=str(path), target=target, **more))  # type: ignore[arg-type]


def refused(tmp_path: Path, text: str, target: str | None = "y") -> str:
    with pytest.raises(ProblemError) as caught:
        table(tmp_path, text, target)
    return str(caught.value)


def houses(rows: int = 200) -> str:
    rng = np.random.default_rng(3)
    area, age = rng.uniform(40, 200, rows), rng.uniform(0, 90, rows)
    price = 3000 * area - 800 * age + rng.normal(0, 9000, rows)
    lines = [f"{a:.1f},{g:.1f},{p:.0f},x" for a, g, p in zip(area, age, price, strict=True)]
    return "\n".join(["area,age,price,name", *lines])


@pytest.mark.slow
def test_the_closed_form_is_that_of_numpy_and_torch_follows_it(tmp_path: Path) -> None:
    made = table(tmp_path, houses(), "price", standardise=True)
    x, y = (part.numpy() for part in made.probe)
    quadratic = made.quadratic
    assert quadratic is not None
    assert quadratic.eigenvalues == pytest.approx(np.linalg.eigvalsh(2 / len(y) * x.T @ x))
    best = np.linalg.lstsq(x, y, rcond=None)[0]
    assert quadratic.minimum == pytest.approx(best)
    assert quadratic.min_loss == pytest.approx(((x @ best - y) ** 2).mean())
    theory = Theory.of(quadratic)
    lr = theory.best_lr
    training = Training(made, lr, Optimizer())
    losses = [training.loss, *(training.step() for _ in range(30))]
    settled = next(k for k, loss in enumerate(losses) if loss <= theory.settled_loss)
    assert settled == theory.settles_at(theory.start, lr)
    assert not np.isfinite(Training(made, 1.5 * theory.max_stable_lr, Optimizer()).steps(3000)[-1])


def test_features_of_other_scales_are_why_it_diverges(tmp_path: Path) -> None:
    raw = table(tmp_path, houses(), "price")
    standard = table(tmp_path, houses(), "price", standardise=True)
    assert raw.facts.condition == pytest.approx(standard.facts.other_condition)
    assert standard.facts.condition == pytest.approx(raw.facts.other_condition)
    assert raw.facts.condition is not None
    assert standard.facts.condition is not None
    assert raw.facts.condition > 1000 * standard.facts.condition
    assert raw.quadratic is not None
    assert Theory.of(raw.quadratic).max_stable_lr < 1e-4
    remarks = " ".join(raw.facts.remarks)
    assert "price from 2 columns (area, age), 200 rows" in remarks
    assert "1 column left out: of text (name)" in remarks
    assert "columns of different scales are why only small rates converge" in remarks
    assert "without --standardise" in " ".join(standard.facts.remarks)


def test_rows_that_cannot_be_used_are_counted(tmp_path: Path) -> None:
    text = "a,b,y\n1,2,3\n2,,4\n3,NA,4\nx,1,5\n4,4,6,7\n5,6\n\n7,8,9\n8,1e300,2\n9,1,2\n"
    made = table(tmp_path, text)
    assert made.facts.samples == 3
    assert made.facts.remarks[1:4] == [
        "2 rows left out: with missing values",
        "2 rows left out: with something that is no number, or none to use",
        "2 rows left out: with other than 3 cells",
    ]


def test_columns_that_say_nothing_are_left_out_and_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    a, b, y = rng.normal(size=(3, 50))
    rows = [f"{p},{q},{2 * p - q},7,,{t}" for p, q, t in zip(a, b, y, strict=True)]
    made = table(tmp_path, "\n".join(["a,b,both,same,none,y", *rows]))
    assert made.facts.weights == 3
    assert made.facts.remarks[1:] == [
        "1 column left out: mostly missing (none)",
        "1 column left out: constant (same)",
        "1 column left out: made of others (both)",
    ]


def test_one_column_is_a_line(tmp_path: Path) -> None:
    made = table(tmp_path, "x;y\n1;2\n2;4.1\n3;5.9\n")
    assert isinstance(made.scene, LineScene)
    assert made.scene.true_weights is None
    assert made.facts.weights == 2


WHICH = "--target says which column is predicted; columns of numbers: a, y"
CONSTANT = "no column is left to predict from; 1 column left out: constant (a)"


@pytest.mark.parametrize(
    ("text", "target", "said"),
    [
        ("", "y", "it is empty"),
        ("a,y\n", "y", "it has a row of names, and no other"),
        ("a,y\n1,2\n3,4\n", None, WHICH),
        ("a,y\n1,2\n3,4\n", "z", "no column is called 'z'; columns of numbers: a, y"),
        ("a,y\n1,p\n3,q\n", "y", "y is no column of numbers; those are: a"),
        ("a,y\np,1\nq,2\n", "y", "y is the only column of numbers; another has to predict it"),
        ("a,y\n1,2\n", "y", "1 row can be used; there are no others"),
        ("a,y\n5,1\n5,2\n", "y", CONSTANT),
    ],
)  # fmt: skip
def test_a_table_that_cannot_be_used_says_why(
    tmp_path: Path, text: str, target: str | None, said: str
) -> None:
    assert refused(tmp_path, text, target) == said


def test_bytes_that_are_no_text_harm_nothing(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(bytes(range(256)) * 50)
    with pytest.raises(ProblemError):
        load(ProblemSettings(name=str(path), target="y"))


@pytest.mark.slow
def test_a_million_rows(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = "".join(f"{a:.3f},{b:.3f},{y:.3f}\n" for a, b, y in rng.normal(size=(1000, 3)))
    (tmp_path / "t.csv").write_text("a,b,y\n" + 1000 * rows)
    made = load(ProblemSettings(name=str(tmp_path / "t.csv"), target="y"))
    assert made.facts.samples == 1_000_000
    assert made.probe[0].dtype == torch.float64
