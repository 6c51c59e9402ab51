"""The real program in a real pseudo-terminal, with the real trainer."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.terminal import Terminal, gone, terminal

pytestmark = pytest.mark.slow


def test_the_posts_three_rates() -> None:
    with terminal("--speed", "200") as lab:
        lab.wait_for(r"step 100/100")
        lab.wait_for(r"1\s+0\.1\s+✓ settled\s+68\s+68\s+0\.07831")
        lab.type("0.7\r")
        lab.wait_for(r"2\s+0\.7\s+✓ settled\s.*\s8\s+8\s+0\.07831")
        lab.type("1.01\r")
        lab.wait_for(r"3\s+1\.01\s+✕ diverged\s.*–\s+–\s+125\.8")
        lab.wait_for(r"diverged: loss 126 at step 100; past the limit 0\.999, steps grow by 2\.2%")
        lab.type("q")
        assert lab.wait_for_end() == 0
        # The table stays on the normal screen.
        after = lab.raw.rpartition(b"\x1b[?1049l")[2].decode()
        assert "rate 0.7" in after
        assert "diverged" in after


def test_through_infinity_and_on_at_the_next_rate() -> None:
    with terminal("--lr", "50", "--steps", "2000", "--speed", "max", columns=80, rows=24) as lab:
        lab.wait_for(r"diverged: .*past the limit 0\.999, steps grow 99-fold")
        lab.type("0.7\r")
        lab.wait_for(r"2\s+0\.7\s+✓ settled")


def test_bad_rates_leave_the_run_alone() -> None:
    with terminal("--steps", "100000", "--speed", "50") as lab:
        lab.wait_for(r"step [\d,]+/100,000")
        for typed, said in [
            ("0\r", "more than 0"),
            ("-1\r", "more than 0"),
            ("1e999\r", "too large"),
            ("\r", "a learning rate is needed"),
            ("\x1b[200~abc\x1b[201~\r", "'abc' is not a number"),
            ("\x1b[200~nan\x1b[201~\r", "finite number"),
            ("\x1b[200~inf\x1b[201~\r", "finite number"),
        ]:
            lab.type(typed)
            lab.wait_for(said)
            lab.wait_for("settled: at step 68|converging: the")
            lab.type("\x1b")
            lab.wait_for(rf"(?s)^(?!.*{said})")
        lab.wait_for(r"1  0\.1")
        lab.type(".5\r")
        lab.wait_for(r"2\s+0\.5\s+(▶|✓|⇄)")


def test_keys_that_come_bundled_are_for_what_the_one_before_them_opened() -> None:
    with terminal("--lr", "0.1", "--lr", "0.7", "--speed", "500") as lab:
        lab.wait_for(r"2\s+0\.7\s+✓ settled")
        lab.type("nbest\r?q0.5\r")
        lab.wait_for(r"3\s+0\.5\s+✓ settled")
        lab.wait_for(r"2\s+0\.7\s+best\s+✓ settled")
        lab.wait_for("╭ loss ")  # nothing is in front


def test_bytes_that_are_not_utf_8_are_complained_about() -> None:
    with terminal("--steps", "100000", "--speed", "50") as lab:
        lab.wait_for(r"step [\d,]+/100,000")
        lab.process.send(b"\xe4\xff")  # as a Latin-1 terminal sends an umlaut
        lab.process.send(b"0\xe4\r")
        lab.wait_for("is not a number")
        lab.type("\x1b")
        lab.wait_for("settled: at step 68|converging: the")
        lab.type("0.7\r")
        lab.wait_for(r"2\s+0\.7\s+(⇄|✓)")


def leave_by_q(lab: Terminal) -> None:
    lab.type("q")


def leave_by_ctrl_c(lab: Terminal) -> None:
    lab.type("\x03")


def leave_by_sigterm(lab: Terminal) -> None:
    os.kill(lab.process.pid, signal.SIGTERM)


def leave_by_sighup(lab: Terminal) -> None:
    os.kill(lab.process.pid, signal.SIGHUP)


def leave_by_sigint(lab: Terminal) -> None:
    os.kill(lab.process.pid, signal.SIGINT)


@pytest.mark.parametrize(
    ("leave", "code"),
    [
        (leave_by_q, 0),
        (leave_by_ctrl_c, 0),
        (leave_by_sigterm, 143),
        (leave_by_sighup, 129),
        (leave_by_sigint, 130),
    ],
)
def test_leaving_restores_the_terminal_and_leaves_nobody_behind(
    leave: Callable[[Terminal], None], code: int
) -> None:
    with terminal("--steps", "1000000", "--speed", "max") as lab:
        lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
        trainers = lab.trainers()
        assert trainers
        assert termios.tcgetattr(lab.process.child_fd) != lab.modes
        leave(lab)
        lab.wait_for_raw(b"\x1b[?1049l")
        assert termios.tcgetattr(lab.process.child_fd) == lab.modes
        assert gone(trainers, 2)
        # Asked for before the end: afterwards the terminal is gone with its last process.
        lab.wait_for_raw(b"rate 0.1")
        assert lab.wait_for_end(5) == code
        for mode in (b"1049", b"1003", b"2004"):
            off, on = b"\x1b[?" + mode + b"l", b"\x1b[?" + mode + b"h"
            assert lab.raw.rfind(off) > lab.raw.rfind(on)
        assert b"\x1b[?25h" in lab.raw  # the cursor shows


def test_suspended_and_brought_back() -> None:
    """In a shell with job control, as a person would: Ctrl-Z, look around, fg."""
    bash = ["/bin/bash", "--norc", "--noprofile", "-i"]
    with terminal(command=bash, env={"PS1": "shell> "}) as lab:
        lab.wait_for("shell>")
        modes = termios.tcgetattr(lab.process.child_fd)
        lab.type(f"{sys.executable} -m lrtui --speed max --steps 1000000000\r")
        lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
        lab.type("\x1a")
        lab.wait_for_raw(b"Stopped")
        lab.wait_for_raw(b"shell> ")
        assert lab.raw.rfind(b"\x1b[?1049l") > lab.raw.rfind(b"\x1b[?1049h")
        assert termios.tcgetattr(lab.process.child_fd)[3] & termios.ECHO == modes[3] & termios.ECHO
        stopped = [p for p in lab.trainers() if p.status() == psutil.STATUS_STOPPED]
        assert len(stopped) == 1  # lrtui; what it reads no more, the trainer soon writes no more
        lab.screen.reset()
        lab.type("fg\r")
        lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
        lab.wait_for("q quit")
        lab.type("7")
        lab.wait_for(" rate 7 ")
        lab.type("\x7f")
        lab.wait_for(r" rate 0\.1 ")
        everyone = lab.trainers()
        lab.type("q")
        lab.wait_for_raw(b"rate 0.1")
        assert gone(everyone, 2)


def test_sigcont_out_of_the_blue_changes_nothing() -> None:
    with terminal("--steps", "100000") as lab:
        lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
        for _ in range(3):
            os.kill(lab.process.pid, signal.SIGCONT)
        lab.read(0.3)
        lab.type("72")
        lab.wait_for(" rate 72 ")
        lab.type("q")
        assert lab.wait_for_end(5) == 0


def test_the_terminal_closing_leaves_nobody_behind() -> None:
    lab = Terminal("--steps", "1000000", "--speed", "max")
    lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
    everyone = [psutil.Process(lab.process.pid), *lab.trainers()]
    os.close(lab.process.child_fd)
    lab.process.closed = True
    assert gone(everyone, 3)


def test_the_terminal_closing_with_sighup_ignored() -> None:
    lab = Terminal(
        command=["/bin/sh", "-c", f"trap '' HUP; exec {sys.executable} -m lrtui --steps 1000000"]
    )
    lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
    everyone = [psutil.Process(lab.process.pid), *lab.trainers()]
    os.close(lab.process.child_fd)
    lab.process.closed = True
    assert gone(everyone, 3)


def test_the_shell_killed_leaves_nobody_behind() -> None:
    shell = f"{sys.executable} -m lrtui --steps 1000000 --speed max; true"
    with terminal(command=["/bin/sh", "-c", shell]) as lab:
        lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
        everyone = lab.trainers()
        assert len(everyone) == 2  # lrtui and its trainer
        lab.process.kill(signal.SIGKILL)
        assert gone(everyone, 3)


def test_the_program_killed_leaves_no_trainer() -> None:
    with terminal("--steps", "1000000", "--speed", "max") as lab:
        lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
        trainers = lab.trainers()
        lab.process.kill(signal.SIGKILL)
        assert gone(trainers, 1)


def test_the_program_killed_while_torch_loads_leaves_no_trainer() -> None:
    with terminal() as lab:
        lab.wait_for("torch is loading")
        trainers = lab.trainers()
        assert trainers
        lab.process.kill(signal.SIGKILL)
        assert gone(trainers, 3)


def test_the_trainer_killed_is_told_and_replaced() -> None:
    with terminal("--steps", "100000") as lab:
        lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
        lab.trainers()[0].kill()
        lab.wait_for("the trainer ended: killed by SIGKILL; r starts a new one")
        lab.type("r")
        lab.wait_for(r"2\s+0\.1\s+(×\d+\s+)?▶")
        lab.type("q")
        assert lab.wait_for_end() == 0


@pytest.mark.parametrize(
    ("torch", "told", "detail"),
    [
        ("raise ImportError('no torch for you')", "the trainer ended: exit code 1", "no torch for"),
        ("import os; os.write(9, b'x')", "the trainer ended: exit code 1", "Bad file descriptor"),
        # The pipe for messages is the one that is no standard stream.
        (
            "import os\nfor fd in range(3, 20):\n  try: os.write(fd, b'rubbish\\n')\n"
            "  except OSError: pass\nimport time; time.sleep(60)",
            "something that is not a message",
            "",
        ),
    ],
)
def test_a_broken_torch_is_told(tmp_path: Path, torch: str, told: str, detail: str) -> None:
    (tmp_path / "torch.py").write_text(torch)
    with terminal(env={"PYTHONPATH": str(tmp_path)}) as lab:
        lab.wait_for(told)
        lab.wait_for(detail)
        (tmp_path / "torch.py").unlink()
        lab.type("r")
        lab.wait_for(r"0\.1\s+(×\d+\s+)?▶")


def test_what_training_code_prints_goes_to_the_log(tmp_path: Path) -> None:
    # While torch loads at the latest: what is printed by a run ahead is not heard.
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\nif 'lrtui.trainer' in ' '.join(sys.orig_argv):\n"
        "  import threading\n"
        "  threading.Timer(0.2, print, ['\\x1b[31mhi there']).start()\n"
    )
    with terminal("--every", "1000000", env={"PYTHONPATH": str(tmp_path)}) as lab:
        lab.wait_for("hi there")
        lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")


def test_a_resize_is_followed() -> None:
    with terminal("--steps", "100000") as lab:
        lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")
        for columns, rows in [(80, 24), (40, 12), (20, 4), (200, 60), (120, 36)]:
            lab.resize(columns, rows)
            if (columns, rows) == (20, 4):
                lab.wait_for("lrtui needs 40 × 12")
            else:
                lab.wait_for(r"\? help")
                lab.wait_for("q quit")
        lab.wait_for(r"0\.1\s+(×\d+\s+)?(▶|✓)")


def test_without_a_terminal_plain_text_comes_by_itself() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lrtui", "--lr", "0.7", "--lr", "1.01"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    assert "run 2  diverged: at rate 1.01 the loss is 125.8 after 100 steps" in done.stdout


def test_first_frame_comes_before_torch() -> None:
    with terminal() as lab:
        start = time.monotonic()
        lab.wait_for("torch is loading")
        lab.wait_for(r" rate 0\.1")
        lab.wait_for(r"0\.1\s+(×\d+\s+)?▶")
        assert time.monotonic() - start < 30
