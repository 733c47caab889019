"""Changing tables while others use them (PostgreSQL); on SQLite these do the ordinary thing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import OperationalError
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.migrations.operations import AddIndex

POSTGRESQL = "postgresql"


@contextmanager
def lock_timeout(connection: BaseDatabaseWrapper, seconds: float) -> Iterator[None]:
    """Wait so long for each lock, then fail; 0 is for ever. A transaction that failed is let go."""
    if connection.vendor != POSTGRESQL:
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_setting('lock_timeout')")
        (before,) = cursor.fetchone()
        cursor.execute("SELECT set_config('lock_timeout', %s, false)", [f"{int(seconds * 1000)}ms"])
    try:
        yield
    finally:
        if connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('lock_timeout', %s, false)", [before])


class AddIndexConcurrently(AddIndex):
    """Make an index while others go on writing. For migrations with ``atomic = False``.

    Django's own does not run on SQLite, and stumbles over what an interrupted one has left: an
    index that is there and not valid. CREATE INDEX CONCURRENTLY waits for older transactions by
    locks of theirs, which no timeout may cut short.
    """

    atomic = False

    def database_forwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != POSTGRESQL:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
            return
        _refuse_in_transaction(schema_editor.connection)
        model = to_state.apps.get_model(app_label, self.model_name)
        with lock_timeout(schema_editor.connection, 0):
            schema_editor.remove_index(model, self.index, concurrently=True)
            schema_editor.add_index(model, self.index, concurrently=True)

    def database_backwards(
        self, app_label: str, schema_editor: Any, from_state: Any, to_state: Any
    ) -> None:
        if schema_editor.connection.vendor != POSTGRESQL:
            super().database_backwards(app_label, schema_editor, from_state, to_state)
            return
        _refuse_in_transaction(schema_editor.connection)
        model = from_state.apps.get_model(app_label, self.model_name)
        with lock_timeout(schema_editor.connection, 0):
            schema_editor.remove_index(model, self.index, concurrently=True)


def _refuse_in_transaction(connection: BaseDatabaseWrapper) -> None:
    if connection.in_atomic_block:
        raise OperationalError(
            "Set atomic = False on the migration: the index is made outside one."
        )
