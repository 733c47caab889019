"""Taking in what a session broker reports: told twice or out of order, the session is the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from portal.engine import clock
from portal.models import Account, Resource
from reporting import post_session
from reporting.models import DataType, Session, SessionEvent
from reporting.records.periods import cutoff_of

Type, State = SessionEvent.Type, Session.State
# Clocks differ; what lies further ahead is a mistake.
AHEAD = timedelta(minutes=10)
SERVERS = (
    Resource.Kind.SANDBOX,
    Resource.Kind.UTILITY_SERVER,
    Resource.Kind.PERSISTENT_DESKTOP,
)
_STANDS = {
    Type.STARTED: State.ACTIVE,
    Type.RECONNECTED: State.ACTIVE,
    Type.DISCONNECTED: State.DISCONNECTED,
}


@dataclass(frozen=True)
class Event:
    """One thing a broker reports. ``facts`` are columns of the session that it knows."""

    event_id: str
    account: UUID
    session_id: str
    type: str
    occurred_at: datetime
    user_name: str
    close_reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of an event: ``accepted``, ``duplicate``, or ``rejected`` with the problem."""

    event_id: str
    status: str
    problem: str = ""


def take_in(accounts: Mapping[UUID, Account], events: Sequence[Event]) -> list[Outcome]:
    """Record events of these accounts, each in a transaction of its own; in the order given.

    Sessions are written in the order of their ids, so that no two batches wait for each other.
    """
    outcomes: dict[int, Outcome] = {}
    cutoff = cutoff_of(clock.now(), DataType.SESSION_LOGS, DataType.SESSION_TRAIL)
    old = _old_ones(events, cutoff)
    numbered = sorted(enumerate(events), key=lambda each: (each[1].account, each[1].session_id))
    for number, event in numbered:
        account = accounts.get(event.account)
        if account is None:
            problem = "There is no such account, or the key does not reach it."
            outcomes[number] = Outcome(event.event_id, "rejected", problem)
        elif problem := _problem_of(event, cutoff, old):
            outcomes[number] = Outcome(event.event_id, "rejected", problem)
        else:
            outcomes[number] = _take_in(account, event)
    return [outcomes[number] for number in range(len(events))]


def _old_ones(events: Sequence[Event], cutoff: datetime | None) -> set[tuple[UUID, str]]:
    """Sessions of these events, by account and id, that ended before the cutoff."""
    if cutoff is None:
        return set()
    named = {each.session_id for each in events}, {each.account for each in events}
    old = Session.objects.filter(session_id__in=named[0], account__in=named[1])
    return set(old.filter(ended_at__lt=cutoff).values_list("account", "session_id"))


def _problem_of(event: Event, cutoff: datetime | None, old: set[tuple[UUID, str]]) -> str:
    """Why an event is not taken in; nothing if it is.

    What is older than the cutoff may be purged. A session folded of what is left of its events
    would be shorter than it was, or open again.
    """
    if event.occurred_at > clock.now() + AHEAD:
        return "occurred_at lies in the future."
    if cutoff and event.occurred_at < cutoff:
        return f"occurred_at is too long ago: events are kept from {cutoff:%Y-%m-%d %H:%M} UTC on."
    if cutoff and (event.account, event.session_id) in old:
        return f"The session ended before {cutoff:%Y-%m-%d %H:%M} UTC: it is not changed any more."
    return ""


@transaction.atomic
def _take_in(account: Account, event: Event) -> Outcome:
    session = _session_of(account, event)
    if session.state == State.CLOSED and not session.events.exists():
        # Read anew without its former events, it would no longer be closed.
        return Outcome(event.event_id, "rejected", "The log of this session is no longer kept.")
    _made, is_new = SessionEvent.objects.get_or_create(
        account=account,
        event_id=event.event_id,
        defaults={
            "session": session,
            "type": event.type,
            "close_reason": event.close_reason,
            "occurred_at": event.occurred_at,
            "received_at": clock.now(),
        },
    )
    if not is_new:
        return Outcome(event.event_id, "duplicate")
    was_closed = session.state == State.CLOSED
    _fold(session)
    session.changed_at = clock.now()
    session.save()
    if session.state == State.CLOSED and not was_closed:
        post_session.begin(session)
    return Outcome(event.event_id, "accepted")


def _session_of(account: Account, event: Event) -> Session:
    """The session, locked, with what this event knows of it."""
    fresh = {"started_at": event.occurred_at, "user_name": event.user_name}
    sessions = Session.objects.filter(account=account, session_id=event.session_id)
    found = sessions.select_for_update().first()
    if found is None:
        try:
            with transaction.atomic():
                Session.objects.create(account=account, session_id=event.session_id, **fresh)
        except IntegrityError:
            pass  # another report came first
        found = sessions.select_for_update().get()
    for name, value in event.facts.items():
        if value not in ("", None):
            setattr(found, name, value)
    if found.resource_id is None:
        found.resource = _server_of(found)
    if found.resource and not found.instance_type:
        found.instance_type = found.resource.instance_type[:100]
    return found


def _server_of(session: Session) -> Resource | None:
    """The persistent server it runs on, by the cloud's id of it or by its name."""
    servers = Resource.objects.filter(account=session.account_id, kind__in=SERVERS)
    servers = servers.select_related("account")
    if session.machine_id:
        return servers.filter(external_id__iexact=session.machine_id).first()
    if session.machine_name:
        return servers.filter(name=session.machine_name).first()
    return None


def _fold(session: Session) -> None:
    """Read the session off all that is known of it; the order in which it came is of no account."""
    events = list(session.events.all())
    starts = [each for each in events if each.type == Type.STARTED] or events
    session.started_at = min(each.occurred_at for each in starts)
    closes = [each for each in events if each.type == Type.CLOSED]
    if closes:
        first = closes[0]
        session.state, session.close_reason = State.CLOSED, first.close_reason
        session.ended_at = max(first.occurred_at, session.started_at)
    else:
        session.state = _STANDS[Type(events[-1].type)]
