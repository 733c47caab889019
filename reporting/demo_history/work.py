"""Sessions of the demo's history, counted month after month, and what is left of them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from random import Random

from portal.models import Account
from reporting.demo_history.people import Worker, presence, workers_of
from reporting.figures.counting import Look, count_days, count_month
from reporting.figures.counting_task import SLACK
from reporting.figures.periods import DAY, next_month
from reporting.models import Counted, DataType, Session, SessionEvent
from reporting.records.periods import cutoff_of, months_before

Type, Reason = SessionEvent.Type, Session.CloseReason
ENDS = (
    *[Reason.LOGGED_OUT] * 9, *[Reason.CLOSED_BY_USER] * 5, *[Reason.INACTIVITY] * 3,
    Reason.DISCONNECT_LIMIT, Reason.MAXIMUM_LENGTH, Reason.ADMINISTRATOR,
)  # fmt: skip
APPLICATIONS = ("Desktop", "Desktop", "PACS viewer", "Office", "Browser")
BROWSERS = ("Chrome 142", "Edge 142", "Firefox 145", "Safari 26")
ROWS_AT_ONCE = 500


def load(account: Account, now: datetime, months: int) -> list[Session]:
    """Make and count them; return all of the last months, though the oldest are dropped."""
    today = now.astimezone(account.zone).date()
    first = months_before(now, months).date().replace(day=1)
    workers = workers_of(account, first, today)
    kept = cutoff_of(now, DataType.SESSION_TRAIL) or now
    recent = months_before(now, 3)
    found: list[Session] = []
    month = first
    while month <= today:
        last = min(next_month(month) - DAY, today)
        made = [
            each
            for each in _month(account, workers, month, last)
            if each.ended_at and each.ended_at < now
        ]
        Session.objects.bulk_create(made, batch_size=ROWS_AT_ONCE)
        look = Look(account, account.zone, now)
        count_days(look, month, last)
        count_month(look, month)
        # What goes on into the next month is counted there, too.
        old = Session.objects.filter(account=account, ended_at__lt=kept, session_id__startswith="h")
        old.filter(started_at__lt=at_local(last, 12, account)).delete()
        found += [each for each in made if each.ended_at and each.ended_at >= recent]
        month = next_month(month)
    Session.objects.filter(account=account, ended_at__lt=kept).delete()
    _tell_events(account, found, now)
    Counted.objects.update_or_create(
        account=account, defaults={"sessions_until": now - SLACK, "time_zone": account.time_zone}
    )
    return found


def _month(account: Account, workers: list[Worker], day: date, last: date) -> Iterator[Session]:
    while day <= last:
        yield from _day(account, workers, day)
        day += DAY


def _day(account: Account, workers: list[Worker], day: date) -> Iterator[Session]:
    """Everybody's sessions of a day: one to three, from the morning on, or through the night."""
    rng = Random(f"{account.name} {day}")  # noqa: S311  # a play
    for person, worker in enumerate(workers):
        is_here = rng.random() < presence(day) * worker.eagerness
        is_on_call = worker.is_on_call and rng.random() < 0.2
        if day < worker.joined or not (is_here or is_on_call):
            continue
        at = at_local(day, 20 if is_on_call else worker.begins + rng.gauss(0, 0.4), account)
        for number in range(1 if is_on_call else rng.choice((1, 1, 2, 2, 3))):
            seconds = 36_000 if is_on_call else int(rng.triangular(720, 21_600, 7_920))
            length = timedelta(seconds=seconds + rng.randrange(3600))
            name = f"h-{day:%Y%m%d}-{person}-{number}"
            yield _session(account, worker, name, at, at + length, rng)
            at += length + timedelta(minutes=rng.randrange(4, 90))


def at_local(day: date, hour: float, account: Account) -> datetime:
    """A time of day of the account's zone, in UTC."""
    seconds = timedelta(seconds=round(hour * 3600))
    return datetime.combine(day, time(), account.zone).astimezone(UTC) + seconds


def _session(
    account: Account, worker: Worker, name: str, begin: datetime, end: datetime, rng: Random
) -> Session:
    first_name, _, last_name = worker.name.partition("@")[0].partition(".")
    return Session(
        account=account,
        session_id=name,
        state=Session.State.CLOSED,
        user_name=worker.name,
        email=worker.name,
        first_name=first_name.title(),
        last_name=last_name.title(),
        identity_provider="Entra ID" if rng.random() < 0.9 else "Okta",
        machine_id=worker.machine.external_id if worker.machine else "",
        machine_name=worker.machine.name
        if worker.machine
        else f"{worker.pool}-{rng.choice('123')}",
        resource=worker.machine,
        launchpad="Desktops" if worker.machine else worker.pool.replace("-", " ").title(),
        application="Desktop" if worker.machine else rng.choice(APPLICATIONS),
        pool=worker.pool,
        instance_type=worker.instance_type,
        client_ip=f"198.51.100.{1 + hash_of(worker.name) % 250}",
        client_os=worker.system,
        browser=rng.choice(BROWSERS),
        distance_km=max(0.5, round(worker.distance_km * rng.uniform(0.97, 1.03), 1)),
        average_latency_ms=round(8 + worker.distance_km / 25 + rng.expovariate(0.2), 1),
        close_reason=rng.choice(ENDS),
        started_at=begin,
        ended_at=end,
        changed_at=end,
    )


def hash_of(text: str) -> int:
    """A number of a text, the same in every process."""
    return sum(ord(letter) * place for place, letter in enumerate(text, 1))


def _tell_events(account: Account, sessions: list[Session], now: datetime) -> None:
    """What their broker told: a start, here and there a disconnect, a close."""
    kept = cutoff_of(now, DataType.SESSION_LOGS, DataType.SESSION_TRAIL) or now
    rows = []
    for session in sessions:
        end = session.ended_at
        if end is None or end < kept:
            continue
        told = [(Type.STARTED, session.started_at)]
        if hash_of(session.session_id) % 3 == 0:
            middle = session.started_at + (end - session.started_at) / 2
            told += [(Type.DISCONNECTED, middle), (Type.RECONNECTED, middle + (end - middle) / 9)]
        for number, (type_, at) in enumerate([*told, (Type.CLOSED, end)]):
            rows.append(
                SessionEvent(
                    account=account,
                    session=session,
                    event_id=f"{session.session_id}-{number}",
                    type=type_,
                    close_reason=session.close_reason if type_ == Type.CLOSED else "",
                    occurred_at=at,
                    received_at=at,
                )
            )
    SessionEvent.objects.bulk_create(rows, batch_size=ROWS_AT_ONCE)
