"""What the clock sets off once a minute: cheap when nothing is due, safe to repeat."""

from __future__ import annotations

from collections.abc import Callable

_ticks: list[Callable[[], None]] = []


def every_minute(function: Callable[[], None]) -> Callable[[], None]:
    """Register a function to be called about once a minute. Use as a decorator."""
    _ticks.append(function)
    return function


def run_ticks() -> None:
    """Call them all, in order of registration."""
    for function in _ticks:
        function()
