"""Real conditions of a database in which it cannot, each for the length of a block."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import psycopg
from django.db import connection


def _do(*statements: str) -> None:
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)


@contextmanager
def read_only() -> Iterator[None]:
    """What a standby says to every change; SQLite says it of a file that may not be written."""
    _do(
        "PRAGMA query_only = ON"
        if connection.vendor == "sqlite"
        else "SET default_transaction_read_only = on"
    )
    yield
    connection.close()


@contextmanager
def locked() -> Iterator[None]:
    """Another process holds what every backup needs, for longer than we wait for it."""
    if connection.vendor == "sqlite":
        _do("PRAGMA busy_timeout = 20")
        with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
            other.execute("BEGIN IMMEDIATE")
            yield
    else:
        _do("SET lock_timeout = '20ms'")
        with psycopg.connect(**connection.get_connection_params()) as other:
            other.execute("LOCK TABLE portal_task IN EXCLUSIVE MODE")
            yield
    connection.close()


@contextmanager
def full() -> Iterator[None]:
    """SQLite may have no page more; what it says then is what it says of a full disk."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE TABLE IF NOT EXISTS filler (x)")
        # Pages that are free inside the file would be taken first.
        cursor.execute("VACUUM")
        pages = cursor.execute("PRAGMA page_count").fetchone()[0]
        cursor.execute(f"PRAGMA max_page_count = {int(pages)}")
    yield
    connection.close()
    _do("DROP TABLE filler")
