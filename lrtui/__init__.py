"""Type a learning rate, watch gradient descent answer, and be told why."""

from typing import TYPE_CHECKING

from lrtui.text.version import __version__

if TYPE_CHECKING:
    from lrtui.monitor.monitor import Monitor

__all__ = ["Monitor", "__version__"]


def __getattr__(name: str) -> object:
    """Return what is loaded when it is first used: the Monitor brings torch."""
    if name == "Monitor":
        from lrtui.monitor.monitor import Monitor

        return Monitor
    raise AttributeError(f"module 'lrtui' has no attribute {name!r}")
