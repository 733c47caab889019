"""manage.py restore_database: fill an empty database from a copy, and make its records harmless."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from portal.copies import CannotCopy, put_back


class Command(BaseCommand):
    help = "Fill an empty database from a copy. Web and workers are stopped, on every machine."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--no-compare", action="store_true", help="ask no cloud; run manage.py reconcile later"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Put back, bring it to this release, settle, compare."""
        try:
            put_back(options["file"])
        except (CannotCopy, OSError) as error:
            raise CommandError(f"Nothing was put back. {error}") from error
        self.stdout.write(f"{options['file']} is put back.")
        call_command("migrate", verbosity=0, interactive=False)
        call_command("after_restore", no_compare=options["no_compare"], stdout=self.stdout)
