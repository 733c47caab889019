"""Whether what runs in this thread may still change anything at a cloud.

A worker whose host is cut off does not know that its tasks were taken over. What it has sent the
network may deliver when the cable is back, and between a look and the call that follows from it
there may be such a time, too. So no call that changes something leaves without a good part of
the lease before it, and what the other side does not acknowledge within that part is given up by
the kernel (`portal.clouds.guard`): nothing arrives after the lease has run out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from portal.clouds.api import CloudBusy

READING = frozenset({"GET", "HEAD", "OPTIONS"})


def _always() -> bool:
    return True


_may_change: ContextVar[Callable[[], bool]] = ContextVar("may_change", default=_always)


class Withheld(CloudBusy):
    """Nothing was sent: who works on it is not certain any more. Asking again may help."""


@contextmanager
def fenced(may_change: Callable[[], bool]) -> Iterator[None]:
    """Ask ``may_change`` before each call of this thread that may change something."""
    token = _may_change.set(may_change)
    try:
        yield
    finally:
        _may_change.reset(token)


def require(method: str) -> None:
    """Raise Withheld when a call by this method must not leave."""
    if method.upper() not in READING and not _may_change.get()():
        raise Withheld(
            "This worker could not reach the portal's database for a while, so nothing was "
            "changed at the cloud: another worker may have taken over.",
            advice="Look at the database and at the network of the workers if this lasts.",
        )
