"""Which driver is used where."""

from __future__ import annotations

import sys

import pytest
import textual

from lrtui.screen.terminal.choice import driver_class


def test_lrtui_uses_its_own_driver() -> None:
    from lrtui.screen.terminal.driver import LineDriver

    assert driver_class({}) is LineDriver
    assert driver_class({"TEXTUAL_DRIVER": ""}) is LineDriver


def test_a_driver_named_by_the_user_is_left_to_textual() -> None:
    assert driver_class({"TEXTUAL_DRIVER": "textual.drivers.web_driver:WebDriver"}) is None


def test_without_a_linux_driver_the_choice_is_textuals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "lrtui.screen.terminal.driver", raising=False)
    monkeypatch.setitem(sys.modules, "textual.drivers.linux_driver", None)
    assert driver_class({}) is None


@pytest.mark.parametrize(
    ("version", "known"),
    [("8.2.0", True), ("8.2.99", True), ("8.20.0", False), ("8.3.0", False), ("9.0.0", False)],
)
def test_with_another_textual_the_choice_is_textuals(
    version: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(textual, "__version__", version)
    assert (driver_class({}) is not None) == known
