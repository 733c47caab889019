"""manage.py migrate: Django's, which waits for no lock for long while others work (PostgreSQL)."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.core.management.commands import migrate
from django.db import OperationalError, connections
from psycopg.errors import LockNotAvailable

from portal.locks import lock_timeout

# While a migration waits for a table, everybody who comes after it waits too.
SECONDS = 5.0


class Command(migrate.Command):
    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--lock-seconds",
            type=float,
            default=SECONDS,
            help="how long to wait for a table that others use, before giving up (default 5)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Migrate; a table that is in use for too long is told in a sentence."""
        connection = connections[options["database"]]
        try:
            with lock_timeout(connection, options["lock_seconds"]):
                super().handle(*args, **options)
        except OperationalError as error:
            if not isinstance(error.__cause__, LockNotAvailable):
                raise
            raise CommandError(
                "A table was in use for longer than --lock-seconds. The migration at hand is "
                "undone, those before it stand: run this again, at a quieter time."
            ) from error
