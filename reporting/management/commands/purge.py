"""manage.py purge: what is past its period, of each type of data; shown, or taken away."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError

from portal.audit import Actor
from portal.engine.clock import SystemClock
from portal.models import Account
from portal.uuids import as_uuid
from reporting.models import DataType
from reporting.purge.outlook import outlooks
from reporting.purge.portions import Progress, purge_portion

COLUMNS = "{:<18} {:<12} {:<20} {:>12}"


class Command(BaseCommand):
    help = (
        "Remove records that are past their period, in batches. A worker does the same each day. "
        "Starred types, and those without a period, stay while their account lives."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--dry-run", action="store_true", help="only show what would go; remove nothing"
        )
        parser.add_argument("--type", choices=DataType.values, default="", help="only this type")
        parser.add_argument("--account", metavar="UUID", help="only records of this account")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print a line for each type: its period, up to when it goes, and how many rows that is."""
        account = self._account(options["account"])
        clock = SystemClock()
        now = clock.now()
        what = "Would go" if options["dry_run"] else "Gone"
        self.stdout.write(COLUMNS.format("Type", "Period", "Older than (UTC)", what))
        total = 0
        for availability, wanted, outlook in outlooks(now, options["type"], account):
            rows = outlook.rows
            if rows and not options["dry_run"]:
                rows = _purge(availability.data_type, account, now, clock)
            cutoff = f"{wanted.cutoff:%Y-%m-%d %H:%M:%S}" if wanted.cutoff else "-"
            self.stdout.write(
                COLUMNS.format(str(availability), availability.period, cutoff, f"{rows:,}")
            )
            total += rows
        self.stdout.write(COLUMNS.format("In all", "", "", f"{total:,}"))

    @staticmethod
    def _account(text: str | None) -> UUID | None:
        if not text:
            return None
        pk = as_uuid(text)
        if pk is None or not Account.objects.filter(pk=pk).exists():
            raise CommandError(f"There is no account {text}.")
        return pk


def _purge(data_type: str, account: UUID | None, now: datetime, clock: SystemClock) -> int:
    actor = Actor(None, "Command line", "command line")
    progress = Progress()
    while not progress.is_over:
        progress = purge_portion(data_type, progress, now, account=account, actor=actor)
        clock.idle(clock.now() + timedelta(seconds=progress.pause))
    return progress.removed
