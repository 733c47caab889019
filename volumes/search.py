"""Finding volumes by words of their name, user or id."""

from __future__ import annotations

import re

from django.db.models import Exists, OuterRef, QuerySet

from portal.models import Resource, ResourceWord

MOST_WORDS, MOST_CHARACTERS = 5, 100
_LAST = "\U0010ffff"


def matching(rows: QuerySet[Resource], text: str) -> QuerySet[Resource]:
    """Those of which each word typed begins a word; all of them when none was typed.

    A range of words is a prefix on both databases, and an index answers it.
    """
    for word in re.findall(r"\w+", text[:MOST_CHARACTERS].casefold())[:MOST_WORDS]:
        words = ResourceWord.objects.filter(resource=OuterRef("pk"), account=OuterRef("account"))
        rows = rows.filter(Exists(words.filter(word__gte=word, word__lt=f"{word}{_LAST}")))
    return rows
