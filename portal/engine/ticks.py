"""What the clock sets off once a minute: cheap when nothing is due, safe to repeat."""

from __future__ import annotations

from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)
_ticks: list[Callable[[], None]] = []


def every_minute(function: Callable[[], None]) -> Callable[[], None]:
    """Register a function to be called about once a minute. Use as a decorator."""
    _ticks.append(function)
    return function


def every_minute_first(function: Callable[[], None]) -> Callable[[], None]:
    """The same, before all others: for what looks at how the last minute was left."""
    _ticks.insert(0, function)
    return function


def run_ticks() -> None:
    """Call them all in order; one that fails does not keep the others."""
    for function in _ticks:
        try:
            function()
        except Exception:  # logged, and called again in a minute
            log.exception("tick failed", function=function.__qualname__)
