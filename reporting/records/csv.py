"""Rows of a data set as a CSV file, piece after piece, however many there are.

RFC 4180 in UTF-8 without a byte order mark: a header, commas, CRLF, quotes where a cell needs
them. Nothing in a cell is nothing in the file. PostgreSQL writes the lines itself (COPY), which
takes a seventh of the time that fetching the rows would; SQLite's rows are put together a
thousand at a time, column by column. Both give the same bytes for the same rows.

Nobody is kept waiting, and no writer either: PostgreSQL reads in one snapshot, SQLite's one
statement is a snapshot by itself. Closing the iterator ends the query at the server.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any

import psycopg
from django.db import connections, transaction
from django.db.models import CharField, F, TextField
from django.db.models.functions import Collate

from reporting.records.columns import Column, Kind
from reporting.records.datasets import DataSet, Rows

# The first piece is small, so that a download begins at once.
_FIRST_BYTES, _PIECE_BYTES = 2_048, 65_536
_ROWS_AT_ONCE = 500
# What COPY would write for NULL. No cell is NULL, and none is this: it would be guarded. Were it
# nothing, COPY would quote every empty cell, to tell it from NULL.
_NO_CELL = "="


def csv_of(data_set: DataSet, rows: Rows) -> Generator[bytes, None, None]:
    """Return the file's pieces: rows in the order that `rows_of` gave them.

    Has to be used up, or closed, in the thread that uses the database.
    """
    is_postgresql = connections[rows.db].vendor == "postgresql"
    lines = _copied if is_postgresql else _fetched
    header = ",".join(column.name for column in data_set.columns) + "\r\n"
    return _pieces(header.encode(), lines(data_set.columns, _ordered(rows, is_postgresql)))


def _pieces(header: bytes, lines: Iterator[Sequence[bytes]]) -> Generator[bytes, None, None]:
    """Put lines, which come in bunches, together to pieces of some size."""
    held, length, enough = [header], len(header), _FIRST_BYTES
    for bunch in lines:
        held += bunch
        length += sum(map(len, bunch))
        if length >= enough:
            yield b"".join(held)
            held, length, enough = [], 0, _PIECE_BYTES
    yield b"".join(held)


def _ordered(rows: Rows, is_postgresql: bool) -> Rows:
    """Order text by its bytes, whatever language the database sorts by."""
    if not is_postgresql:
        return rows
    fields = {field.name: field for field in rows.model._meta.concrete_fields}
    order = [
        Collate(F(name), "C") if isinstance(fields.get(name), CharField | TextField) else name
        for name in map(str, rows.query.order_by)
    ]
    return rows.order_by(*order)


# PostgreSQL


def _copied(columns: Sequence[Column], rows: Rows) -> Iterator[Sequence[bytes]]:
    """Let the server write the lines; a line comes at a time, ended by a line feed."""
    select, params = rows.values_list(*(column.text for column in columns)).query.sql_with_params()
    copy = f"COPY ({select}) TO STDOUT (FORMAT csv, NULL '{_NO_CELL}')"
    database = connections[rows.db]
    with (
        transaction.atomic(using=rows.db),
        # COPY takes no parameters: psycopg writes them into the statement as literals.
        psycopg.ClientCursor(database.connection) as cursor,
        cursor.copy(copy, params) as out,
    ):
        held: list[bytes] = []
        keep, length, enough = held.append, 0, _FIRST_BYTES
        for line in out:
            keep(bytes(line[:-1]))
            keep(b"\r\n")
            length += len(line)
            if length >= enough:
                yield held
                held = []
                keep, length, enough = held.append, 0, _PIECE_BYTES
        yield held


# SQLite


def _fetched(columns: Sequence[Column], rows: Rows) -> Iterator[Sequence[bytes]]:
    """Fetch cells as text and put the lines together."""
    select, params = rows.values_list(*(column.text for column in columns)).query.sql_with_params()
    finish = [_FINISH.get(column.kind, _quoted_where_needed) for column in columns]
    # In no transaction of ours: it would keep every writer out until the download has ended.
    with connections[rows.db].cursor() as cursor:
        cursor.execute(select, params)
        number = 20
        while found := cursor.fetchmany(number):
            cells = [
                each(column) for each, column in zip(finish, zip(*found, strict=True), strict=True)
            ]
            lines = "\r\n".join(map(",".join, zip(*cells, strict=True)))
            yield [lines.encode(), b"\r\n"]
            number = _ROWS_AT_ONCE


def _as_it_is(cells: Sequence[str]) -> Sequence[str]:
    return cells


def _quoted_where_needed(cells: Sequence[str]) -> Sequence[str]:
    """Quote what has a comma, a quote or the end of a line in it."""
    text = "".join(cells)
    if '"' in text or "," in text or "\n" in text or "\r" in text:
        return [_quoted(cell) for cell in cells]
    return cells


def _quoted(cell: str) -> str:
    if '"' in cell or "," in cell or "\n" in cell or "\r" in cell:
        return f'"{cell.replace(chr(34), chr(34) * 2)}"'
    return cell


def _json_cells(cells: Sequence[str]) -> Sequence[str]:
    return _quoted_where_needed([cell if cell == "{}" else _as_postgresql(cell) for cell in cells])


# Names and brackets of JSON without a backslash; of text, that there is some.
_SHAPE = re.compile(r'("[^"]*":|[{}\[\]])|"[^"]*"')
_MOST_SHAPES = 1_000
_sorted_shapes: set[tuple[str, ...]] = set()
_write = json.JSONEncoder(ensure_ascii=False).encode


def _as_postgresql(text: str) -> str:
    """JSON as PostgreSQL keeps it: shorter names first, and no character spelled by its number.

    Nearly all entries have one of a few shapes; those whose names stand in that order already
    are remembered.
    """
    if "\\" in text:
        return _write(json.loads(text, object_pairs_hook=_by_name))
    shape = tuple(_SHAPE.findall(text))
    if shape in _sorted_shapes:
        return text
    written = _write(json.loads(text, object_pairs_hook=_by_name))
    if written == text and len(_sorted_shapes) < _MOST_SHAPES:
        _sorted_shapes.add(shape)
    return written


def _by_name(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    return dict(sorted(pairs, key=lambda pair: (len(pair[0].encode()), pair[0].encode())))


_FINISH: dict[Kind, Callable[[Sequence[str]], Sequence[str]]] = {
    Kind.WORD: _as_it_is,
    Kind.TIME: _as_it_is,
    Kind.ID: _as_it_is,
    Kind.INTEGER: _as_it_is,
    Kind.NUMBER: _as_it_is,
    Kind.JSON: _json_cells,
}
