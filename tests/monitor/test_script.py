"""``lrtui run`` does what ``python`` does, and lets the script be watched and steered."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lrtui.messages import Hold, Progress, Scale, Stop
from tests.monitor.trainings import script, training

pytestmark = pytest.mark.slow


def both(
    tmp_path: Path,
    source: str,
    *arguments: str,
    name: str = "s.py",
    env: dict[str, str] | None = None,
) -> list[subprocess.CompletedProcess[str]]:
    """Run a script under python and under lrtui run."""
    (tmp_path / "s.py").write_text(source)
    found = []
    for command in ([], ["-m", "lrtui", "run"]):
        found.append(
            subprocess.run(
                [sys.executable, *command, "s.py", *arguments],
                capture_output=True,
                text=True,
                timeout=100,
                check=False,
                cwd=tmp_path,
                env={**os.environ, "LRTUI_DIR": str(tmp_path / "sockets")},
            )
        )
    return found


SCRIPTS = {
    "argv, names and path": (
        "import sys, os\n"
        "print(sys.argv, __name__, __file__, __package__, __spec__, __doc__)\n"
        "print(sys.path[0] == os.path.dirname(os.path.abspath(__file__)))\n"
        "print(sys.modules['__main__'].__file__, 'torch' in sys.modules)\n"
    ),
    "exit code": "import sys\nprint('out'); print('err', file=sys.stderr); sys.exit(7)",
    "exit text": "import sys\nsys.exit('a reason')",
    "an error": "def f():\n    raise ValueError('no')\nf()",
    "a chain": "try:\n    1 / 0\nexcept ArithmeticError as e:\n    raise KeyError(1) from e",
    "an error in the source": "x = = 1",
    "an own hook": "import sys\nsys.excepthook = lambda *a: print('mine', a[0].__name__)\n1 / 0",
    "a module beside it": "from pathlib import Path\nPath('beside.py').write_text('x = 3')\n"
    "import beside\nprint(beside.x)",
    "classes that are pickled": (
        "import pickle\nclass A:\n    x = 1\nprint(pickle.loads(pickle.dumps(A())).x)"
    ),
    "processes": (
        "import multiprocessing as mp\ndef f(x):\n    return 2 * x\n"
        "if __name__ == '__main__':\n"
        "    with mp.get_context('spawn').Pool(1) as p:\n        print(p.map(f, [1, 2]))\n"
    ),
    "at exit": "import atexit\natexit.register(print, 'bye')\nprint('hi')",
    "standard input": "print(repr(input()) if False else 'x')",
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_is_as_under_python(name: str, tmp_path: Path) -> None:
    python, ours = both(tmp_path, SCRIPTS[name], "--lr", "0.1", "-m", "x")
    assert ours.stdout == python.stdout
    assert ours.stderr == python.stderr
    assert ours.returncode == python.returncode


def test_a_module_is_run_as_under_python(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    source = (
        "import sys\nfrom pack import other\nprint(sys.argv[1:], __name__, __package__, other.x)"
    )
    (package / "__main__.py").write_text(source)
    (package / "other.py").write_text("x = 5")
    for target in ("pack", "pack.__main__"):
        outputs = {
            subprocess.run(
                [sys.executable, "-m", *ours, target, "a", "--b"],
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
                cwd=tmp_path,
            ).stdout
            for ours in ([], ["lrtui", "run", "-m"])
        }
        assert len(outputs) == 1
        assert "['a', '--b'] __main__ pack 5" in outputs.pop()


def test_a_signal_ends_it_as_under_python(tmp_path: Path) -> None:
    path = tmp_path / "s.py"
    path.write_text("import time\nprint('on', flush=True)\ntime.sleep(60)")
    for number in (signal.SIGTERM, signal.SIGINT):
        codes = set()
        for command in ([], ["-m", "lrtui", "run"]):
            process = subprocess.Popen(
                [sys.executable, *command, str(path)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # A shell that has started the tests in the background has SIGINT ignored.
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )
            assert process.stdout is not None
            assert process.stdout.readline() == b"on\n"
            process.send_signal(number)
            codes.add(process.wait(20))
            process.stdout.close()
        assert codes == {-number}


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere.py"], "nowhere.py: No such file or directory"),
        (["-m", "no.such.module"], "no module is called no.such.module"),
        ([], "a script or -m MODULE is needed"),
        (["python", "-c", "pass"], "python -c cannot be watched: put it into a script"),
        (["env", "train.py"], "begin that with python or torchrun"),
    ],
)
def test_what_cannot_be_run_is_told_in_a_sentence(words: list[str], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lrtui", "run", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_whole_command_in_place_of_a_script(tmp_path: Path) -> None:
    path, out = tmp_path / "s.py", tmp_path / "out.jsonl"
    path.write_text("import sys\nprint(sys.argv[1:], sys.flags.no_site, 'lrtui' in sys.modules)")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "lrtui", "run", "--save", str(out)),
            *(sys.executable, "-B", str(path), "--save", "x"),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("['--save', 'x'] 0 True\n", "")


PLAIN = """
import json, sys, time, torch
sys.path.insert(0, "{late}")
from late import perhaps_late
torch.manual_seed(0)
w = torch.nn.Parameter(torch.ones(3))
optimizer = torch.optim.{optimizer}([w], lr=0.01)
schedule = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.999)
losses = []
try:
    for step in range(100_000):
        optimizer.zero_grad(); loss = (w * torch.randn(3)).square().sum()
        perhaps_late(loss).backward()
        optimizer.step(); schedule.step(); losses.append(loss.item()); time.sleep(0.001)
finally:
    json.dump(losses, open(sys.argv[1], "w"))
    print("cleaned up")
"""


@pytest.mark.usefixtures("any_device")
def test_a_script_is_watched_steered_and_stopped(tmp_path: Path) -> None:
    path, out = tmp_path / "train.py", tmp_path / "out"
    path.write_text(PLAIN.format(optimizer="SGD", late=Path(__file__).parent))
    with training("-m", "lrtui", "run", "--name", "mine", str(path), str(out)) as running:
        viewer = running.viewer()
        assert viewer.greeting.name == "mine"
        assert {"hold", "scale", "pause", "stop"} <= {*viewer.greeting.capabilities}
        assert not {"checkpoint", "rewind"} & {*viewer.greeting.capabilities}
        held = viewer.tell(Hold(lr=0.002))
        viewer.wait_for(lambda: max(viewer.column("loss")) > held.step + 20, "steps")
        stopped = viewer.tell(Stop())
        viewer.read_all()
        assert running.wait() == 130  # as after Ctrl-C: it has not finished
        said = running.output()
    assert "Traceback" not in said
    assert "lrtui: stopped as asked" in said
    assert said.count("\n") == 3  # how to watch it, what the script prints, and that
    assert "cleaned up" in said
    losses = json.loads(out.read_text())
    told = viewer.column("loss")
    assert [*told] == [*range(1, stopped.step + 1)]
    # The step in which it was stopped is not in the script's own list.
    assert [*told.values()][: len(losses)] == pytest.approx(losses)
    rates = viewer.column("lr")
    assert rates[held.step + 1] == 0.002
    assert rates[held.step] == pytest.approx(0.01 * 0.999 ** (held.step - 1))


def test_two_optimizers_are_one_training_and_both_are_scaled(tmp_path: Path) -> None:
    source = (
        "import torch, time\n"
        "a, b = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))\n"
        "d, g = torch.optim.SGD([a], 0.1), torch.optim.Adam([b], 0.4)\n"
        "seen = []\n"
        "for step in range(100000):\n"
        "    d.zero_grad(); (a ** 2).sum().backward(); d.step()\n"
        "    g.zero_grad(); ((b - 1) ** 4 + 3).sum().backward(); g.step()\n"
        "    time.sleep(0.001)\n"
    )
    (tmp_path / "gan.py").write_text(source)
    with training("-m", "lrtui", "run", str(tmp_path / "gan.py")) as running:
        viewer = running.viewer()
        viewer.tell(Scale(by=0.5))
        viewer.wait_for(lambda: len(viewer.column("loss g")) > 20, "the other loss")
        others = [v for v in viewer.column("loss g").values() if v is not None]
        assert min(others) >= 6.0
        viewer.wait_for(lambda: 0.05 in viewer.column("lr").values(), "the halved rate")
        assert viewer.tell(Stop()).done
        assert running.wait() == 130


def test_a_compiled_training_is_watched_and_not_compiled_again_for_each_rate(
    tmp_path: Path,
) -> None:
    source = (
        "import json, sys, time, torch\n"
        "from torch._dynamo.testing import CompileCounter\n"
        "counter, compiled, losses = CompileCounter(), [], []\n"
        "w = torch.nn.Parameter(torch.ones(2))\n"
        "o = torch.optim.SGD([w], lr=torch.tensor(0.01))\n"
        "@torch.compile(backend=counter)\n"
        "def step():\n"
        "    o.zero_grad()\n"
        "    loss = (w ** 2).sum()\n"
        "    loss.backward()\n"
        "    o.step()\n"
        "    return loss\n"
        "try:\n"
        "    while True:\n"
        "        losses.append(step().item())\n"
        "        compiled.append(counter.frame_count)\n"
        "        time.sleep(0.002)\n"
        "finally:\n"
        "    json.dump([losses, compiled], open(sys.argv[1], 'w'))\n"
    )
    (tmp_path / "compiled.py").write_text(source)
    out = tmp_path / "out"
    with training("-m", "lrtui", "run", str(tmp_path / "compiled.py"), str(out)) as running:
        viewer = running.viewer()
        for number in range(1, 6):
            held = viewer.tell(Hold(lr=0.001 * number))
            viewer.wait_for(lambda: max(viewer.column("loss")) > held.step + 10, "steps")  # noqa: B023
            assert viewer.column("lr")[held.step + 1] == pytest.approx(0.001 * number)
        viewer.tell(Stop())
        assert running.wait() == 130
    losses, compiled = json.loads(out.read_text())
    told = viewer.column("loss")
    assert [told[step] for step in range(1, 20)] == pytest.approx(losses[:19])
    assert compiled[10] == compiled[-1]


def test_workers_that_load_data_are_left_alone(tmp_path: Path) -> None:
    source = (
        "import torch, time\n"
        "class Data(torch.utils.data.Dataset):\n"
        "    def __len__(self): return 64\n"
        "    def __getitem__(self, i): return torch.ones(2)\n"
        "w = torch.nn.Parameter(torch.ones(2)); o = torch.optim.SGD([w], 0.01)\n"
        "for epoch in range(3):\n"
        "    for x in torch.utils.data.DataLoader(Data(), 8, num_workers=2):\n"
        "        o.zero_grad(); (w * x).sum().backward(); o.step()\n"
        "print('ended')\n"
    )
    (tmp_path / "data.py").write_text(source)
    with training("-m", "lrtui", "run", str(tmp_path / "data.py")) as running:
        assert running.wait() == 0
        assert "ended" in running.output()
        assert "Traceback" not in running.output()
        assert not running.sockets()


def test_steps_that_are_far_too_many_are_told_by_their_extremes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with training(script("monitored"), "5000", "0", str(out)) as running:
        viewer = running.viewer()
        viewer.read_all()
        assert running.wait() == 0
    sizes = [len(m.losses) for m in viewer.messages if isinstance(m, Progress)]
    losses = json.loads(out.read_text())["losses"]
    told = viewer.column("loss")
    assert max(sizes[1:]) <= 201
    assert max(told) == 5000
    assert all(told[step] == pytest.approx(losses[step - 1]) for step in told)
