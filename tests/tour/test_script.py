"""A tour's script is read, or told what is wrong with it."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrtui.tour.script import Scene, read_script, scene


def test_the_posts_tour_has_what_it_tells_of() -> None:
    scenes = read_script(None)
    assert [s.text for s in scenes if s.verb == "type"] == ["0.1", "0.7", "1.01", "1.0"]
    assert Scene("press", "a") in scenes
    assert all(len(s.text) <= 100 for s in scenes)


@pytest.mark.parametrize(
    ("line", "read"),
    [
        ("say  Look: [bold]no markup[/]", Scene("say", "Look: [bold]no markup[/]")),
        ("type 1e-3", Scene("type", "1e-3")),
        ("press w", Scene("press", "w")),
        ("wait 2.5", Scene("wait", number=2.5)),
        ("until step 40", Scene("until", number=40.0)),
        ("  until end", Scene("until", number=math.inf)),
    ],
)
def test_a_line_is_read(line: str, read: Scene) -> None:
    assert scene(line) == read


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("say hi\nsing a song\n", "line 2: 'sing' is not one of say, type, press, wait, until"),
        ("type abc", "line 1: 'abc' is not a number"),
        ("type 0", "line 1: a learning rate is more than 0"),
        ("# fine\n\nwait long", "line 3: seconds from 0 to 60 are needed, not 'long'"),
        ("wait nan", "line 1: seconds from 0 to 60 are needed"),
        ("until tomorrow", "line 1: a run is watched until end or until step N"),
        ("press q", "line 1: 'q' cannot be pressed"),
        ("# nothing\n", "nothing in it can be shown"),
    ],
)
def test_what_is_no_script_is_told(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "mine.txt").write_text(content)
    with pytest.raises(ValueError, match=r"mine\.txt") as told:
        read_script(str(tmp_path / "mine.txt"))
    assert said in str(told.value)


@given(st.binary(max_size=200))
def test_any_file_is_read_or_told(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.mktemp("script") / "any.txt"
    file.write_bytes(content)
    try:
        assert read_script(str(file))
    except ValueError as error:
        assert str(file) in str(error)
