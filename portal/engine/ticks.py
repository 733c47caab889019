"""What the clock sets off once a minute: cheap when nothing is due, safe to repeat."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from portal.outages import WORDS, gist, is_down, let_go, outage_of

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
    """Call them all in order; one that fails does not keep the others.

    Where the database is away all would fail: the rest is left to the next minute.
    """
    for function in _ticks:
        try:
            function()
        except Exception as error:  # logged, and called again in a minute
            name = function.__qualname__
            if outage := outage_of(error):
                log.warning(WORDS[outage].title, function=name, error=gist(error))
                let_go()
            else:
                log.exception("tick failed", function=name)
            if is_down(error):
                return
