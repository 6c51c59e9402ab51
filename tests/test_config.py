"""A person's own settings: the config file, the keymap, and completion in a real shell."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lrtui.__main__ import main
from lrtui.commands.cli import parse
from lrtui.commands.lab import LabOptions
from lrtui.commands.replay import ReplayOptions
from lrtui.screen.keymap import read_keymap
from tests.terminal import terminal

RECORD = str(Path(__file__).parent / "sources" / "fixtures" / "four-rates.jsonl")


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv("TEXTUAL_THEME", raising=False)
    (tmp_path / "lrtui").mkdir()
    return tmp_path / "lrtui" / "config.toml"


def lab(*words: str) -> LabOptions:
    found = parse(words)[2]
    assert isinstance(found, LabOptions)
    return found


def test_the_file_sets_and_the_command_line_overrides(
    config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (lab().fps, lab().setup.factor, lab().speed, lab().notify) == (10, 1.25, 0.0, True)
    config.write_text('theme = "nord"\nfps = 20\nfactor = 2\nspeed = "max"\nnotify = false\n')
    found = lab()
    assert (found.theme, found.fps, found.setup.factor) == ("nord", 20, 2.0)
    assert (found.speed, found.notify, found.keymap) == (None, False, {})
    found = lab("--theme", "dracula", "--fps", "5", "--factor", "3", "--speed", "2", "--notify")
    assert (found.theme, found.fps, found.setup.factor) == ("dracula", 5, 3.0)
    assert (found.speed, found.notify) == (2.0, True)
    monkeypatch.setenv("TEXTUAL_THEME", "gruvbox")
    assert lab().theme is None  # so that of the environment is taken


def test_a_command_takes_what_it_has(config: Path) -> None:
    config.write_text('fps = 7\nfactor = 2\n[keymap]\nrestart = "f5"\n')
    found = parse(["replay", RECORD])[2]
    assert isinstance(found, ReplayOptions)
    assert (found.fps, found.keymap) == (7, {"restart": "f5"})
    assert "fps" not in vars(parse(["problems"])[2])


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("fps = 20\ncolour = 1\n", 2, "nothing is called 'colour'; there are theme, fps"),
        ("fps = 0\n", 1, "fps: a whole number from 1 to 60 is needed, not '0'"),
        ("# fps = 3\n\nfps = true\n", 3, "fps: a whole number"),
        ("factor = 0.5\n", 1, "factor: a number from 1.001 is needed"),
        ('speed = "fast"\n', 1, "speed: steps a second"),
        ("notify = 1\n", 1, "notify: true or false is needed"),
        ("theme = 3\n", 1, "theme: a name in quotes is needed"),
        ('fps = 9\ntheme = "sepia"\n', 2, "no theme is called 'sepia'"),
        ("keymap = 3\n", 1, "keymap: a table is needed"),
        ("[keymap]\nrestart = 5\n", 2, "restart: a key in quotes is needed"),
        ('[keymap]\n\nreboot = "f5"\n', 3, "no action is called 'reboot'"),
        ('[keymap]\nrestart = "ctr+r"\n', 2, "no key is called 'ctr+r'"),
        ('[keymap]\nrestart = ""\n', 2, "no key is called ''"),
        ('[keymap]\nrestart = "a"\n', 2, "a is taken by advice"),
        ('[keymap]\nrestart = "5"\n', 2, "5 is taken"),
        ('[keymap]\nrestart = "f5"\nstop = "S,f5"\n', 2, "f5 is taken by stop"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(
    config: Path, text: str, line: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text(text)
    try:
        code = main(["config"])
    except SystemExit as exit_:
        code = int(exit_.code or 0)
    out, err = capsys.readouterr()
    assert (code, out) == (2, "")
    assert err.startswith(f"lrtui: {config}, line {line}: {said}")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"fps == 3", "(at line 1, column 6)"), (b"\xff", "not text in UTF-8"), (None, "directory")],
)
def test_a_file_that_cannot_be_read(
    config: Path, content: bytes | None, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    if content is None:
        config.mkdir()
    else:
        config.write_bytes(content)
    with pytest.raises(SystemExit) as exit_:
        main(["--plain"])
    assert exit_.value.code == 2
    err = capsys.readouterr().err
    assert str(config) in err
    assert said in err
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])  # that is there all the same
    assert exit_.value.code == 0


def test_config_prints_what_is_in_force(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["config"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(f"{config} (not there)\n")
    assert "fps               10                default\n" in out
    config.write_text('speed = "max"\n[keymap]\nrestart = "f5"\n')
    monkeypatch.setenv("TEXTUAL_THEME", "nord")
    assert main(["config", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["path"], told["exists"]) == (str(config), True)
    found = told["settings"]
    assert found["speed"] == {"value": "max", "from": "file"}
    assert found["theme"] == {"value": "nord", "from": "environment"}
    assert found["keymap.restart"] == {"value": "f5", "from": "file"}
    assert found["notify"] == {"value": True, "from": "default"}


def test_keys_are_swapped_and_named_as_textual_does() -> None:
    asked = {"restart": "?", "help": "r", "larger": "f5, ctrl+t", "faster": "=", "slower": "+"}
    assert read_keymap(asked) == {
        "restart": "question_mark",
        "help": "r",
        "larger": "f5,ctrl+t",
        "faster": "equals_sign",
        "slower": "plus",
    }


@pytest.mark.slow
def test_keys_of_ones_own(config: Path) -> None:
    config.write_text('[keymap]\nrestart = "?"\nhelp = "f1"\npause = "a"\nadvice = "space,v"\n')
    home = {"XDG_CONFIG_HOME": str(config.parent.parent)}
    with terminal("--steps", "100000", env=home) as lab:
        lab.wait_for(r"a pause.*space advice")
        lab.wait_for(r"step [\d,]+/100,000")
        lab.type("a")
        lab.wait_for("paused at step")
        lab.type("?")
        lab.wait_for(r"(?m)^.*2\s+0\.1\s")
        lab.type("v")
        lab.wait_for(r"3\s+0\.744\s")
        lab.type("\x1bOP")
        lab.wait_for("help ─")
        lab.wait_for(r"\?\s+Restart at the same")
        lab.type("q")


@pytest.mark.slow
def test_nothing_of_it_is_read_for_a_script(config: Path, tmp_path: Path) -> None:
    config.write_text("nonsense")
    (tmp_path / "script.py").write_text("print('ran')")
    command = [sys.executable, "-m", "lrtui", "run", str(tmp_path / "script.py")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout == "ran\n"


# --- completion ---------------------------------------------------------------------------

COMPLETE = """
source "$1"
[[ $(complete -p lrtui) == *"-o default"* ]] || exit 3
shift
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_shtab_lrtui 2>/dev/null
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("completion")
    for shell in ("bash", "zsh", "fish"):
        command = [sys.executable, "-m", "lrtui", "completion", shell]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        (folder / shell).write_text(done.stdout)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["sw"], {"sweep"}),
        (["e"], {"edge"}),
        (["--opt"], {"--optimizer"}),
        (["--optimizer", "a"], {"adam", "adamw"}),
        (["edge", "--sche"], {"--schedule"}),
        (["mine.py", "--lr", "0.1", "--sp"], {"--speed", "--spread"}),
        (["sweep", "mi"], set()),  # so that bash offers files
        (["sweep", "li"], {"line"}),
        (["sweep", "--c"], {"--count", "--csv"}),
        (["replay", "ru"], {"runs.jsonl"}),
        (["guide", "over"], {"over-ssh"}),
        (["tell", "re"], {"release", "resume", "rewind"}),
        (["tour", "ra"], {"race"}),
        (["run", "--j"], {"--journal"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
        (["completion", "fish", "--no"], {"--no-ascii"}),
    ],
)
def test_bash_completes(words: list[str], offered: set[str], scripts: Path, tmp_path: Path) -> None:
    for name in ("mine.py", "runs.jsonl"):
        (tmp_path / name).touch()
    command = ["bash", "-c", COMPLETE, "bash", str(scripts / "bash"), "lrtui", *words]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert {*done.stdout.split()} == offered


@pytest.mark.slow
@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_read_their_script(shell: str, scripts: Path) -> None:
    script = scripts / shell
    assert "--weight-decay" in script.read_text() or "-l weight-decay" in script.read_text()
    if not shutil.which(shell):
        pytest.skip(f"{shell} is not installed")
    subprocess.run([shell, "-n", str(script)], check=True)
