"""Finds secrets in what was told, in whatever form they may have got there."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Mapping
from urllib.parse import quote, quote_plus

from django.db import connection

# A signed token of the kind that Azure gives.
BEARER = re.compile(r"eyJ[\w-]{10,}\.eyJ[\w-]{10,}")


def forms_of(secret: str) -> set[str]:
    """The secret as it stands, and as URLs, JSON, HTML, hex and base64 write it.

    base64 writes it in three ways, by what comes before it: as in ``user:password``.
    """
    raw = secret.encode()
    found = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret)}
    found.add(json.dumps(secret)[1:-1])
    found |= {html.escape(secret), raw.hex(), raw.hex().upper(), repr(secret)[1:-1]}
    for before in range(3):
        coded = base64.b64encode(b"\0" * before + raw).decode()
        # The first and last signs hold bits of their neighbours.
        inner = coded[4 * bool(before) : len(coded) - 4 * bool(len(coded) % 4 or coded[-1] == "=")]
        found |= {inner, inner.replace("+", "-").replace("/", "_")}
    return found


def told(secrets: Mapping[str, str], texts: Iterable[tuple[str, str]]) -> list[str]:
    """Where which secret is told: ``secret in place``. ``texts`` are pairs of place and text."""
    kept = list(dict.fromkeys(texts))
    everything = "\n".join(text for _, text in kept)
    found = set()
    for name, secret in secrets.items():
        for form in forms_of(secret):
            if form in everything:  # then it is worth looking where
                found |= {f"{name} in {place}" for place, text in kept if form in text}
    if BEARER.search(everything):
        found |= {f"a bearer token in {place}" for place, text in kept if BEARER.search(text)}
    return sorted(found)


def rows() -> Iterable[tuple[str, str]]:
    """Every row of every table as it is stored, the queue's, the cache's and sessions' too."""
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608  # a name out of the database
            for row in cursor.fetchall():
                yield f"table {table}", repr(row)
