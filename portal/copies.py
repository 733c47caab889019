"""Copies of the portal's own database: taken while it is in use, put back into an empty one.

SQLite by its backup API; PostgreSQL by pg_dump and pg_restore, of which the server's version or
a newer one has to be on the PATH. What is signed in, queued or cached is not copied.
"""

from __future__ import annotations

import os
import sqlite3
import subprocess
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import connection
from psycopg.conninfo import make_conninfo
from psycopg.pq import Conninfo

# A session's key lets its owner in; wakes and limits are of the moment.
OF_THE_MOMENT = ("django_session", "django_q_ormq", "portal_cache")


class CannotCopy(Exception):
    """No copy was taken, or nothing was put back; the message says why in a sentence."""


def take_copy(folder: Path, now: datetime) -> Path:
    """Write a copy into ``folder``, readable by its owner alone. Raises CannotCopy, OSError.

    It has its name only when it is complete.
    """
    ending = "sqlite3" if connection.vendor == "sqlite" else "dump"
    path = folder / f"standby-{now:%Y%m%dT%H%M%SZ}.{ending}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.part")
    try:
        draft.touch(mode=0o600)
        if connection.vendor == "sqlite":
            _copy_sqlite(draft)
        else:
            left_out = [f"--exclude-table-data={name}" for name in OF_THE_MOMENT]
            _run("pg_dump", "--format=custom", "--no-owner", "--no-privileges", *left_out,
                 f"--file={draft}")  # fmt: skip
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)
    return path


def drop_old_copies(folder: Path, keep: int) -> list[Path]:
    """Delete all but the newest ``keep`` of our copies in a folder; return them."""
    copies = sorted([*folder.glob("standby-*Z.dump"), *folder.glob("standby-*Z.sqlite3")])
    old = copies[: max(0, len(copies) - keep)]
    for each in old:
        each.unlink()
    return old


def put_back(path: Path) -> None:
    """Fill the database, which must be empty, from a copy. All or nothing. Raises CannotCopy."""
    if not path.is_file():
        raise CannotCopy(f"There is no file {path}.")
    if connection.introspection.table_names():
        raise CannotCopy(
            "The database is not empty. Make a new one, and name it in DATABASE_URL: what is in "
            "this one may be wanted yet."
        )
    if connection.vendor == "sqlite":
        _fill_sqlite(path)
        return
    _refuse_while_others_are_connected()
    connection.close()
    _run("pg_restore", "--single-transaction", "--exit-on-error", "--no-owner", "--no-privileges",
         str(path))  # fmt: skip


# SQLite


def _copy_sqlite(path: Path) -> None:
    connection.ensure_connection()
    with closing(sqlite3.connect(path)) as copy:
        connection.connection.backup(copy, pages=1000)
        for name in OF_THE_MOMENT:
            # Names of tables, of our own.
            copy.execute(f"DELETE FROM {name}")  # noqa: S608
        copy.commit()
        # What is deleted would still be in the file.
        copy.execute("VACUUM")
        _check(copy, path)


def _fill_sqlite(path: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as copy:
        _check(copy, path)
        connection.ensure_connection()
        copy.backup(connection.connection)


def _check(copy: sqlite3.Connection, path: Path) -> None:
    try:
        (said,) = copy.execute("PRAGMA quick_check").fetchone()
    except sqlite3.DatabaseError as error:
        raise CannotCopy(f"{path} cannot be read: {error}.") from error
    if said != "ok":
        raise CannotCopy(f"{path} is damaged: {said}.")


# PostgreSQL


def _refuse_while_others_are_connected() -> None:
    """A worker that saw old tasks would carry them out again before they are settled."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        (count,) = cursor.fetchone()
    if count:
        raise CannotCopy(
            f"{count} other programs are connected to the database. Stop web and workers first."
        )


def _run(program: str, *words: str) -> None:
    dbname, environment = _connection_words()
    command = [program, "--no-password", f"--dbname={dbname}", *words]
    try:
        done = subprocess.run(  # noqa: S603 (a program of the database, words of our own)
            command, env=environment, capture_output=True, text=True, check=False
        )
    except FileNotFoundError as error:
        raise CannotCopy(
            f"{program} is not on the PATH. Install PostgreSQL's client programs."
        ) from error
    if done.returncode != 0:
        raise CannotCopy(f"{program} failed: {done.stderr.strip()}")


def _connection_words() -> tuple[str, dict[str, str]]:
    """How a program of PostgreSQL reaches the database; the password goes by its environment."""
    known = {each.keyword.decode() for each in Conninfo.get_defaults()}
    given: dict[str, Any] = connection.get_connection_params()
    words = {name: value for name, value in given.items() if name in known and value is not None}
    password = words.pop("password", None)
    # Libpq's own programs know encodings of their own.
    words.pop("client_encoding", None)
    return make_conninfo("", **words), os.environ | ({"PGPASSWORD": password} if password else {})
