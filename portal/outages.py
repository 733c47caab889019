"""What the database cannot do just now, told apart from defects, and in words for people.

By PostgreSQL's error codes (its manual, appendix A) and SQLite's result codes: the texts differ
by version and language. A connection that broke carries no code at all.
"""

from __future__ import annotations

import enum
import logging
from dataclasses import dataclass

import psycopg
from django.db import Error, connections


class Outage(enum.Enum):
    """Why it cannot; none of them says that anything was wrong with what was asked."""

    LOST = "lost"  # stopped, restarting, cut off, or its file cannot be opened
    BUSY = "busy"  # another transaction was in the way: serialization, deadlock, lock
    FULL = "full"  # no space is left where it writes
    READ_ONLY = "read only"  # a standby, or a file or folder that may not be written


@dataclass(frozen=True)
class Words:
    """What is said of an outage: ``title`` what happened, ``advice`` what to do.

    ``retry_seconds`` is when asking again may help.
    """

    title: str
    advice: str
    retry_seconds: int


WORDS = {
    Outage.LOST: Words(
        "The database cannot be reached",
        "It may be restarting. Try again in a moment; if it lasts, tell your administrator.",
        10,
    ),
    Outage.BUSY: Words(
        "The database was busy with something else",
        "Somebody else was changing the same. Try again.",
        2,
    ),
    Outage.FULL: Words(
        "The disk of the database is full",
        "Nothing can be saved until your administrator has made space. Tell them.",
        60,
    ),
    Outage.READ_ONLY: Words(
        "The database cannot be written to",
        "Pages can be read, but nothing can be changed. Try again in a minute; if it lasts, "
        "tell your administrator.",
        30,
    ),
}
# Nobody can know whether a commit came through whose answer was lost.
OUTCOME = (
    "What you sent was done as a whole or not at all. Look which it is before you send it again."
)

_BY_STATE = {
    "25006": Outage.READ_ONLY,
    "25P03": Outage.LOST,  # idle in a transaction for too long: the server hung up
    "25P04": Outage.LOST,
    "53100": Outage.FULL,
    "53200": Outage.BUSY,
    "53300": Outage.BUSY,
    "55P03": Outage.BUSY,
    "57014": Outage.BUSY,
}
_BY_CLASS = {"08": Outage.LOST, "40": Outage.BUSY, "57": Outage.LOST, "58": Outage.LOST}
_BY_SQLITE_CODE = {
    3: Outage.READ_ONLY,  # SQLITE_PERM
    5: Outage.BUSY,  # SQLITE_BUSY
    6: Outage.BUSY,  # SQLITE_LOCKED
    8: Outage.READ_ONLY,  # SQLITE_READONLY
    10: Outage.LOST,  # SQLITE_IOERR
    13: Outage.FULL,  # SQLITE_FULL
    14: Outage.LOST,  # SQLITE_CANTOPEN
    15: Outage.BUSY,  # SQLITE_PROTOCOL
}


def outage_of(error: BaseException | None) -> Outage | None:
    """Return why the database could not, if that is what the error comes from."""
    while error is not None:
        if isinstance(error, Error) and (found := _of_driver(error.__cause__)):
            return found
        error = error.__cause__ or error.__context__
    return None


def is_down(error: BaseException) -> bool:
    """Whether no write gets through at all; after one that was merely in the way, others may."""
    return outage_of(error) not in {None, Outage.BUSY}


def _of_driver(cause: BaseException | None) -> Outage | None:
    code: int | None = getattr(cause, "sqlite_errorcode", None)
    if code is not None:
        return _BY_SQLITE_CODE.get(code & 0xFF)  # the rest of an extended code is detail
    state: str | None = getattr(cause, "sqlstate", "")
    if state == "":
        return None
    if state is None:
        # psycopg's own: no answer came. A statement it cannot even build is a defect.
        is_broken = isinstance(cause, psycopg.OperationalError | psycopg.InterfaceError)
        return Outage.LOST if is_broken else None
    return _BY_STATE.get(state) or _BY_CLASS.get(state[:2])


def let_go() -> None:
    """Close connections that may be broken, or lead to a server that has become a standby.

    The next query makes a new one. One in a transaction is left to who began it.
    """
    for connection in connections.all(initialized_only=True):
        if not connection.in_atomic_block:
            connection.close()


def gist(error: BaseException) -> str:
    """The driver's words, in one line, for logs."""
    return " ".join(str(error).split()) or type(error).__name__


class OneLine(logging.Filter):
    """Says of an outage in one line what a traceback of a hundred would not say better."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and (outage := outage_of(error)):
            said = record.getMessage()
            record.msg, record.args = f"{WORDS[outage].title}: {said}: {gist(error)}", ()
            record.exc_info = record.exc_text = None
        return True
