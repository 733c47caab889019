"""manage.py backup_database: a copy of the portal's own database, taken while it is in use."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from portal.copies import CannotCopy, drop_old_copies, take_copy


class Command(BaseCommand):
    help = "Write a copy of the database into a folder. It holds no key: keep SECRETS_KEYS apart."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--folder", type=Path, required=True)
        parser.add_argument(
            "--keep", type=int, metavar="N", help="delete all but the newest N copies there"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Print where the copy is."""
        if options["keep"] is not None and options["keep"] < 1:
            raise CommandError("--keep must be 1 or more.")
        try:
            path = take_copy(options["folder"], timezone.now())
        except (CannotCopy, OSError) as error:
            raise CommandError(f"No copy was taken. {error}") from error
        self.stdout.write(f"{path} ({path.stat().st_size:,} bytes)")
        if options["keep"]:
            for each in drop_old_copies(options["folder"], options["keep"]):
                self.stdout.write(f"{each} deleted")
