"""The state file: an sqlite3 table of key and JSON, one row for each thing in the lab.

After a call that changed something, the rows that differ are written in one transaction,
so a lab that is killed goes on with the state after its last answer. While it was off,
lab time went on at the pace of real time, as it would at a cloud.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin, get_type_hints

from portal.lab.clock import from_usecs, to_usecs

if TYPE_CHECKING:
    from portal.lab.lab import Lab


class Store:
    """One state file. Guarded by the lab's lock."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._rows = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._rows.execute("PRAGMA journal_mode = WAL")
        self._rows.execute("PRAGMA synchronous = OFF")
        self._rows.execute(
            "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, place INTEGER, value TEXT)"
        )
        self._written: dict[str, str] = dict(self._rows.execute("SELECT key, value FROM state"))
        self._place = len(self._written)

    def resumed_at(self) -> datetime | None:
        """Return the lab time to go on with, None for a new file."""
        if "clock" not in self._written:
            return None
        saved = json.loads(self._written["clock"])
        passed = max(0, to_usecs(datetime.now(UTC)) - saved["real"])
        return from_usecs(saved["lab"] + passed)

    def load(self, lab: Lab) -> bool:
        """Fill the lab. False: the file was new."""
        if "clock" not in self._written:
            return False
        saved = json.loads(self._written["clock"])
        lab.cut_links = {frozenset(pair) for pair in saved["cut"]}
        lab.instant = saved["lab"]
        for key, value in self._rows.execute("SELECT key, value FROM state ORDER BY place"):
            place = key.split("\n")
            if place[0] in lab.sites:
                _put(lab.sites[place[0]], place[1:], json.loads(value))
        for site in lab.sites.values():
            site.resume()
        return True

    def save(self, lab: Lab) -> None:
        """Write what differs from what was written last."""
        now = dict(_rows_of(lab, self._written))
        changed = [(key, text) for key, text in now.items() if self._written.get(key) != text]
        gone = [key for key in self._written if key not in now]
        if not changed and not gone:
            return
        self._rows.execute("BEGIN IMMEDIATE")
        for key, text in changed:
            self._place += 1
            self._rows.execute(
                "INSERT INTO state VALUES (?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (key, self._place, text),
            )
        self._rows.executemany("DELETE FROM state WHERE key = ?", [(key,) for key in gone])
        self._rows.execute("COMMIT")
        self._written = now

    def close(self) -> None:
        """Let go of the file."""
        self._rows.close()


def _put(site: Any, place: list[str], value: Any) -> None:
    if len(place) == 1:
        setattr(site, place[0], thaw(site.SINGLE[place[0]], value))
    else:
        getattr(site, place[0])[place[1]] = thaw(site.HELD[place[0]], value)


def _rows_of(lab: Lab, written: dict[str, str]) -> Iterator[tuple[str, str]]:
    clock = {
        "lab": lab.clock.now_usecs(),
        "real": to_usecs(datetime.now(UTC)),
        "cut": sorted(sorted(pair) for pair in lab.cut_links),
    }
    yield "clock", json.dumps(clock)
    for name, site in lab.sites.items():
        for attribute in site.SINGLE:
            yield f"{name}\n{attribute}", json.dumps(freeze(getattr(site, attribute)))
        for attribute in site.HELD:
            for key, thing in getattr(site, attribute).items():
                row = f"{name}\n{attribute}\n{key}"
                is_final = getattr(thing, "is_final", False)
                if is_final and (text := written.get(row)) and '"ended_at": null' not in text:
                    yield row, text
                else:
                    yield row, json.dumps(freeze(thing))


def freeze(thing: Any) -> Any:
    """Return a dataclass as what JSON can hold."""
    if is_dataclass(thing):
        return {each.name: freeze(getattr(thing, each.name)) for each in fields(thing)}
    if isinstance(thing, list | tuple):
        return [freeze(item) for item in thing]
    if isinstance(thing, dict):
        return {key: freeze(value) for key, value in thing.items()}
    return thing


def thaw(kind: Any, value: Any) -> Any:
    """Return what `freeze` was given, of this type. Fields added since have their defaults."""
    origin, inner = get_origin(kind), get_args(kind)
    if value is None or kind is Any:
        return value
    if origin in (Union, UnionType):
        return thaw(next(each for each in inner if each is not type(None)), value)
    if origin is list:
        return [thaw(inner[0], item) for item in value]
    if origin is tuple:
        return tuple(thaw(each, item) for each, item in zip(inner, value, strict=True))
    if origin is dict:
        return {key: thaw(inner[1], item) for key, item in value.items()}
    if is_dataclass(kind) and isinstance(kind, type):
        hints = get_type_hints(kind)
        known = {name: value[name] for name in hints if name in value}
        return kind(**{name: thaw(hints[name], item) for name, item in known.items()})
    return value
