"""Finding volumes by words of their name, user or id."""

from __future__ import annotations

import uuid

from django.db.models import Q, QuerySet

from portal.models import Resource, ResourceWord
from portal.words import whole, words_in

MOST_WORDS, MOST_CHARACTERS = 5, 100
_LAST = "\U0010ffff"


def matching(rows: QuerySet[Resource], text: str) -> QuerySet[Resource]:
    """Those of which each word typed begins a word; all of them when none was typed.

    ``rows`` are of one account. An id pasted whole finds what has it. A range of words is a
    prefix on both databases, and an index answers it.
    """
    # Asked once for the whole statement. Of the rows it would be asked for each, on SQLite.
    account = rows.order_by().values("account")[:1]
    for asked in _asked(text):
        words = ResourceWord.objects.filter(asked, account=account)
        rows = rows.filter(pk__in=words.values("resource"))
    return rows


def _asked(text: str) -> list[Q]:
    if _is_id(text.strip()):
        return [Q(word=whole(text))]
    words = words_in(text[:MOST_CHARACTERS])[:MOST_WORDS]
    return [Q(word__gte=word, word__lt=f"{word}{_LAST}") for word in words]


def _is_id(text: str) -> bool:
    """Whether it is the id of one thing: a UUID, or a path as Azure has them."""
    if text.startswith("/") and text.count("/") > 1:
        return True
    try:
        return str(uuid.UUID(text)) == text.lower()
    except ValueError:
        return False
