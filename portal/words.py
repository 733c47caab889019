"""The words by which resources are found: kept with what names them, looked up by an index."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from itertools import islice
from uuid import UUID

from django.db import connection, transaction

from portal.bulk import among
from portal.models import Resource, ResourceWord

LONGEST = 100
RESOURCES_A_BATCH = 1000
_WORD = re.compile(r"[^\W_]+")


def folded(text: str) -> str:
    """Text as words are compared: one way to write an accent, no capitals."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def words_in(text: str) -> list[str]:
    """Runs of letters and digits, as they are compared."""
    return [word[:LONGEST] for word in _WORD.findall(folded(text))]


def whole(text: str) -> str:
    """A name or id as one word. Of a long one its end counts: ids of Azure begin alike."""
    return folded(text.strip())[-LONGEST:]


def words_of(pk: UUID, name: str, user_name: str, external_id: str) -> set[str]:
    """Every word a resource is found by.

    Of an id that is a path only its last part: the rest is the same for thousands.
    """
    parts = (name, user_name, external_id.rpartition("/")[2])
    found = {word for part in parts for word in words_in(part)}
    return (found | {whole(each) for each in (name, user_name, external_id, str(pk))}) - {""}


def note_words(ids: Iterable[UUID]) -> None:
    """Write down the words of these resources; called with every change of what names them."""
    given = iter(ids)
    while batch := list(islice(given, RESOURCES_A_BATCH)):
        _note(batch)


@transaction.atomic
def _note(ids: Sequence[UUID]) -> None:
    rows = Resource.objects.filter(pk__in=among(ids)).values_list(
        "pk", "account", "name", "user_name", "external_id"
    )
    wanted = {
        (pk, word): account
        for pk, account, *named in rows.iterator()
        for word in words_of(pk, *named)
    }
    noted = ResourceWord.objects.filter(resource__in=among(ids))
    listed = noted.values_list("pk", "resource", "word")
    keys = {(resource, word): key for key, resource, word in listed.iterator()}
    old = [key for noted_word, key in keys.items() if noted_word not in wanted]
    for start in range(0, len(old), RESOURCES_A_BATCH):
        ResourceWord.objects.filter(pk__in=old[start : start + RESOURCES_A_BATCH]).delete()
    _insert([(pk, wanted[pk, word], word) for pk, word in wanted.keys() - keys.keys()])


def _insert(rows: Sequence[tuple[UUID, UUID, str]]) -> None:
    """Sixteen for each resource are too many for `bulk_create`: ten times as long."""
    if not rows:
        return
    table = connection.ops.quote_name(ResourceWord._meta.db_table)
    into = f"INSERT INTO {table} (resource_id, account_id, word)"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            columns = [list(column) for column in zip(*rows, strict=True)]
            given = "SELECT * FROM unnest(%s::uuid[], %s::uuid[], %s::text[])"
            cursor.execute(f"{into} {given} ON CONFLICT DO NOTHING", columns)
            return
        values = [(resource.hex, account.hex, word) for resource, account, word in rows]
        cursor.executemany(f"{into} VALUES (%s, %s, %s) ON CONFLICT DO NOTHING", values)
