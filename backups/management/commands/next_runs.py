"""manage.py next_runs: when a schedule runs, in UTC, by the code that runs it."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from itertools import islice
from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from backups.schedule import Schedule
from portal.engine import clock
from portal.models.tenancy import validate_time_zone

MOST = 100_000
# A run lies within a few days of the local day it belongs to, and years end with 9999.
_FIRST_YEAR, _LAST_YEAR = 1900, 9000


class Command(BaseCommand):
    help = "Print when a schedule runs next, in UTC, one run a line."
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--time", required=True, help="local time of day, such as 02:30")
        parser.add_argument("--zone", required=True, help="IANA zone, such as Europe/London")
        parser.add_argument(
            "--from", dest="since", help="first instant that counts; UTC if no offset; default now"
        )
        parser.add_argument("--count", default="10", help="how many runs (default 10)")

    def handle(self, *args: Any, **options: Any) -> None:
        at, zone = _time(options["time"]), _zone(options["zone"])
        since, count = _instant(options["since"]), _count(options["count"])
        # Long before, so that no run is left out for a schedule that begins only then.
        schedule = Schedule(at, zone, since.date() - timedelta(days=7))
        for run in islice(schedule.runs_after(since - timedelta(microseconds=1)), count):
            self.stdout.write(f"{run:%Y-%m-%dT%H:%M:%SZ}")


def _time(text: str) -> time:
    try:
        at = time.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo or at.microsecond:
        raise CommandError(f"--time {text} is not a time of day such as 02:30.")
    return at


def _zone(name: str) -> str:
    try:
        validate_time_zone(name)
    except ValidationError as error:
        raise CommandError(f"--zone {name} is not an IANA zone such as Europe/London.") from error
    return name


def _instant(text: str | None) -> datetime:
    if text is None:
        return clock.now()
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or not _FIRST_YEAR <= found.year <= _LAST_YEAR:
        raise CommandError(f"--from {text} is not an instant such as 2026-10-20T00:00:00Z.")
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)


def _count(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= MOST):
        raise CommandError(f"--count {text} is not a whole number from 1 to {MOST}.")
    return int(text)
