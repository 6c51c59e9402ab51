"""A Python that starts at once is as one that is started by ``subprocess``."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests import forks

pytestmark = pytest.mark.slow

SHOW = """
import os, signal, sys, threading
print(sys.argv, sys.orig_argv, sys.flags, sys.path, sys.warnoptions, __name__, __spec__)
print(*sorted(vars()), os.getcwd(), sorted(os.environ.items()), sys.modules["__main__"].__doc__)
print("torch" in sys.modules, threading.active_count(), os.listdir("/proc/self/fd"))
print(os.listdir("/proc/self/task") == [str(os.getpid())], signal.getsignal(signal.SIGINT))
for stream in (sys.stdin, sys.stdout, sys.stderr):
    print(stream.encoding, stream.errors, stream.line_buffering, stream.name, stream.mode)
    print(stream.isatty(), stream.write_through, stream.fileno(), stream.buffer)
print(sys.stdin.read(), os.getppid(), os.getsid(0) == os.getpid())
import torch, torch.nn as nn
from torch.optim import SGD
print(torch.__spec__.origin, torch.get_num_threads(), SGD)
print(torch.optim is sys.modules["torch.optim"], open("/proc/self/comm").read())
"""

SCRIPTS = {
    "what it sees": SHOW,
    "a code": "import sys, atexit; atexit.register(print, 'bye'); sys.exit(7)",
    "a reason": "import sys; sys.exit('a reason')",
    "an error": "def f():\n    raise ValueError('no')\nprint('so far')\nf()",
    "an error in the source": "x = = 1",
    "its own hook": "import sys\nsys.excepthook = lambda *a: print('mine', a[0])\n1 / 0",
    "an interrupt": "raise KeyboardInterrupt",
    "it kills itself": "import os; print('lost'); os.kill(os.getpid(), 9)",
    "threads": "import threading, time\n"
    "threading.Thread(target=lambda: (time.sleep(0.1), print('late'))).start()",
    "one that it spawns": "import multiprocessing as mp\ndef f(x):\n    return 2 * x\n"
    "if __name__ == '__main__':\n"
    "    with mp.get_context('spawn').Pool(1) as p:\n        print(p.map(f, [1, 2]))\n",
}
WAYS = {"script": ["s.py", "a", "-b"], "module": ["-m", "s", "a"], "unbuffered": ["-u", "s.py"]}


def both(arguments: list[str], **settings: Any) -> list[subprocess.CompletedProcess[Any]]:
    settings |= {"capture_output": True, "text": True, "timeout": 60}
    command = [sys.executable, *arguments]
    return [subprocess.run(command, **settings), forks.run(command, **settings)]


def without_addresses(text: str) -> str:
    return re.sub("0x[0-9a-f]+", "0x", text)


@pytest.mark.parametrize(
    ("way", "name"),
    [
        *(("script", name) for name in SCRIPTS),
        ("module", "what it sees"),
        ("unbuffered", "threads"),
    ],
)
def test_it_is_as_one_of_subprocess(way: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "s.py").write_text(SCRIPTS[name])
    its, ours = both(WAYS[way], cwd=tmp_path, input="ünusual")
    assert without_addresses(ours.stdout) == without_addresses(its.stdout)
    assert ours.stderr == its.stderr
    assert ours.returncode == its.returncode


def test_it_is_a_child_that_is_stopped_and_killed() -> None:
    process = forks.Popen[str](
        [sys.executable, "-c", "print(input(), flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("hello\n")
    process.stdin.flush()
    assert process.stdout.readline() == "hello\n"
    assert os.getsid(process.pid) == process.pid
    seen = psutil.Process(process.pid)
    assert seen.ppid() == os.getpid()
    process.send_signal(signal.SIGSTOP)
    assert process.poll() is None
    process.kill()
    assert process.communicate()[0] == ""
    assert process.returncode == -signal.SIGKILL
    assert not seen.is_running()


def test_what_only_subprocess_can_do_is_refused() -> None:
    with pytest.raises(AssertionError, match="PYTHONHASHSEED is read at a start"):
        forks.run([sys.executable, "-c", ""], env=os.environ | {"PYTHONHASHSEED": "0"})
