"""What is known of one session, as its log: the events its broker reported, line by line (R154)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC

from django.db.models import prefetch_related_objects

from reporting.models import Session, SessionEvent


@dataclass(frozen=True)
class Log:
    """A session and the text of its log; ``size_bytes`` is that of the text."""

    session: Session
    events: tuple[SessionEvent, ...]
    text: str

    @property
    def size_bytes(self) -> int:
        return len(self.text.encode())


def logs_of(sessions: Sequence[Session]) -> list[Log]:
    """The logs of these sessions, by one query."""
    prefetch_related_objects(list(sessions), "events")
    return [log_of(session) for session in sessions]


def log_of(session: Session) -> Log:
    """The log of one session, in the order in which things happened."""
    events = tuple(session.events.all())
    return Log(session, events, "".join(f"{_line(event)}\n" for event in events))


def _line(event: SessionEvent) -> str:
    """Time of the event, what it was, why, and when we were told."""
    times = (event.occurred_at, event.received_at)
    occurred, received = (f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%S.%f}Z" for at in times)
    why = f" reason={event.close_reason}" if event.close_reason else ""
    return f"{occurred} {event.type}{why} event={event.event_id} received={received}"
