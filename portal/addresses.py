"""Addresses of pages by the ids in them, looked up once: a list has one in each row."""

from __future__ import annotations

import uuid
from functools import cache
from uuid import UUID

from django.urls import URLResolver, get_resolver, get_script_prefix, get_urlconf, reverse


def address(view_name: str, *ids: UUID) -> str:
    """The address of a view whose arguments are ids. Raises NoReverseMatch as `reverse` does."""
    resolver = get_resolver(get_urlconf())
    pattern = _pattern(resolver, get_script_prefix(), view_name, len(ids))
    return pattern.format(*ids)


@cache
def _pattern(resolver: URLResolver, prefix: str, view_name: str, count: int) -> str:
    """The address with ``{0}`` for the first id and so on.

    It depends on which addresses are served and on what the server puts before them.
    """
    marks = [uuid.uuid4() for _ in range(count)]
    pattern = reverse(view_name, args=marks)  # which leaves no brace unquoted
    for number, mark in enumerate(marks):
        pattern = pattern.replace(str(mark), f"{{{number}}}")
    return pattern
