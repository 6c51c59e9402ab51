"""Files of a person's own: those that are good train as torch itself would, others say why not."""

from __future__ import annotations

import importlib
from itertools import islice
from pathlib import Path
from textwrap import dedent

import pytest
import torch

from lrtui.messages import ClassesScene, CurveScene, Optimizer
from lrtui.messages.problem_settings import ProblemSettings
from lrtui.problems.file import run_file
from lrtui.problems.load import load
from lrtui.problems.problem import Problem
from lrtui.trainer.training import Training

FILES = Path(__file__).parent / "files"

GOOD = {
    "head": """
        import torch
        from torch import nn
        x = torch.linspace(-1, 1, 8)[:, None]
        y = 2 * x
        """,
    "model": """
        def model():
            return nn.Linear(1, 1)
        """,
    "loss": """
        loss = nn.functional.mse_loss
        """,
}


def problem(name: str, **settings: object) -> Problem:
    return load(ProblemSettings(name=str(FILES / f"{name}.py"), **settings))  # type: ignore[arg-type]


def told(tmp_path: Path, **parts: str) -> str:
    """What is said of a file, which is a good one but for some parts."""
    path = tmp_path / "mine.py"
    path.write_text("".join(dedent(text) for text in (GOOD | parts).values()))
    settings = ProblemSettings(name=str(path))
    try:
        made = load(settings)
    except (Exception, SystemExit) as error:
        from lrtui.problems.problem import explained

        return explained(error, path)
    try:
        training = Training(made, 0.1, Optimizer())
        training.steps(3)
    except (Exception, SystemExit) as error:
        return made.explain(error)
    return ""


@pytest.mark.parametrize("file", sorted(FILES.glob("*.py")), ids=lambda path: path.stem)
def test_a_good_file_trains_as_a_plain_loop_does(file: Path) -> None:
    made = problem(file.stem)
    optimizer = Optimizer(name="own") if made.own_optimizer else Optimizer(momentum=0.5)
    training = Training(made, 0.05, optimizer)
    measured = [training.loss, *(training.step() for _ in range(20))]

    model = made.model()
    parameters = [p for p in model.parameters() if p.requires_grad]
    if made.own_optimizer:
        stepper = made.own_optimizer(parameters, 0.05)
    else:
        stepper = torch.optim.SGD(parameters, 0.05, momentum=0.5)
    expected = []
    for batch in islice(made.batches(), 21):
        loss = made.loss(model, batch)
        expected.append(loss.item())

        def again(batch: object = batch) -> torch.Tensor:
            stepper.zero_grad()
            loss = made.loss(model, batch)
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        if isinstance(stepper, torch.optim.LBFGS):
            stepper.step(again)  # type: ignore[no-untyped-call]
        else:
            stepper.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            stepper.step()
    assert measured == expected
    assert measured[-1] < measured[0] or made.facts.batch or "chance" in file.stem


def test_two_runs_of_a_file_are_the_same_whatever_it_draws_from() -> None:
    made = problem("chance")
    runs = [Training(made, 0.1, Optimizer()).steps(10) for _ in range(2)]
    assert runs[0] == runs[1]
    assert Training(problem("chance", seed=1), 0.1, Optimizer()).steps(10) != runs[0]


def test_facts_and_scenes_of_files() -> None:
    plain = problem("plain")
    assert isinstance(plain.scene, CurveScene)
    assert plain.picture is not None
    assert len(plain.picture(plain.model())) == len(plain.scene.grid)
    assert plain.facts.weights == 97
    assert plain.facts.samples == 64
    assert plain.facts.target == 0.05
    classes = problem("classes")
    assert isinstance(classes.scene, ClassesScene)
    assert classes.picture is not None
    values = classes.picture(classes.model())
    assert len(values) == len(classes.scene.across) * len(classes.scene.up)
    assert {*values} <= {0.0, 1.0, 2.0}
    assert problem("two_inputs").scene is None
    assert problem("two_inputs").facts.batch == 8
    assert problem("two_inputs", batch=5).facts.batch == 5
    assert problem("own_batches").facts.own_optimizer == "rmsprop"
    assert problem("frozen_and_tied").facts.weights == 36


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"model": "def model(:\n    pass\n"}, "mine.py, line 6: SyntaxError"),
        ({"model": ""}, "mine.py: a function model() that returns a torch module is missing"),
        ({"model": "def model():\n    return 3\n"}, "model() returned int, not a torch module"),
        ({"loss": ""}, "mine.py: a function loss(prediction, target) or objective(model, batch)"),
        ({"head": "import torch\nfrom torch import nn\ny = torch.ones(3)\n"}, "x is missing"),
        ({"loss": "loss = lambda p, t: (p - t) ** 2\n"}, "the loss has the shape (8, 1)"),
        ({"loss": "loss = lambda p, t: 1.0\n"}, "the loss is float, not a tensor"),
        ({"loss": "loss = lambda p, t: torch.ones(())\n"}, "does not depend on any weight"),
        ({"loss": "loss = lambda p, t: p.sum() / 0\n"}, "before the first step"),
        ({"model": "import nowhere\n"}, "mine.py, line 6: ModuleNotFoundError: No module named"),
        ({"model": "raise SystemExit(3)\n"}, "mine.py, line 6: it ends the program (sys.exit)"),
        ({"model": "def model():\n    return nn.ReLU()\n"}, "no weights that can be trained"),
        ({"loss": "loss = nn.functional.mse_loss\nbatch = 0\n"}, "batch has to be a whole number"),
        ({"loss": "loss = nn.functional.mse_loss\nscene = 'x'\n"}, "'curve' or 'classes'"),
        ({"loss": "loss = nn.functional.mse_loss\ntarget = 'x'\n"}, "target has to be a number"),
        ({"loss": "y = y[:, 0]\nloss = nn.functional.mse_loss\n"}, "the target has the shape (8)"),
        ({"loss": "y = y[:5]\nloss = nn.functional.mse_loss\n"}, "do not pair up"),
        ({"loss": "def loss(p, t):\n    return p @ t\n"}, "line 10: RuntimeError"),
        (
            {"loss": "def loss(p, t):\n    return undefined\n"},
            "mine.py, line 10: NameError: name 'undefined' is not defined",
        ),
        (
            {"loss": "objective = lambda m, b: m(x).sum()\ndef batches():\n    return []\n"},
            "batches() returned no batch",
        ),
    ],
)  # fmt: skip
def test_a_broken_file_gets_one_clear_sentence(
    tmp_path: Path, parts: dict[str, str], said: str
) -> None:
    found = told(tmp_path, **parts)
    assert said in found
    assert found.startswith("mine.py")
    assert "\n" not in found


def test_what_is_installed_below_its_folder_is_not_imported_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages = tmp_path / ".venv" / "lib"
    packages.mkdir(parents=True)
    (packages / "installed_7.py").write_text("")
    monkeypatch.syspath_prepend(packages)
    monkeypatch.setattr("sysconfig.get_paths", lambda: {"purelib": str(packages)})
    first = importlib.import_module("installed_7")
    (tmp_path / "mine.py").write_text("import installed_7\n")
    assert run_file(tmp_path / "mine.py").installed_7 is first


def test_a_file_may_import_what_lies_beside_it_and_sees_its_changes(tmp_path: Path) -> None:
    (tmp_path / "mine_helper_7.py").write_text("WIDTH = 3\n")
    text = "".join(dedent(text) for text in GOOD.values())
    text += "from mine_helper_7 import WIDTH\ny = y * WIDTH\n"
    (tmp_path / "mine.py").write_text(text)
    settings = ProblemSettings(name=str(tmp_path / "mine.py"))
    first = Training(load(settings), 0.1, Optimizer()).loss
    (tmp_path / "mine_helper_7.py").write_text("WIDTH = 3000\n")
    assert Training(load(settings), 0.1, Optimizer()).loss > 1000 * first


def test_data_drawn_from_numpy_or_python_is_the_same_at_every_load(tmp_path: Path) -> None:
    text = "".join(dedent(text) for text in GOOD.values())
    text += "import random\nimport numpy as np\ny = y + random.random() + float(np.random.rand())\n"
    (tmp_path / "mine.py").write_text(text)
    settings = ProblemSettings(name=str(tmp_path / "mine.py"))
    first, second = (Training(load(settings), 0.1, Optimizer()).loss for _ in range(2))
    assert first == second
