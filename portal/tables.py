"""The common ground of list pages."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import django_tables2
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

from portal.access import Request, wants_fragment


class Table(django_tables2.Table):
    """A table whose cells carry only the classes their columns ask for.

    django-tables2 adds each column's name as a class, and ``status`` or ``type`` are
    names of parts in our style sheet.
    """

    def get_column_class_names(self, classes_set: set[str], bound_column: Any) -> set[str]:
        return classes_set


def searched(request: Request) -> str:
    """What ``q`` asks for: trimmed, of a sane length, without NUL, which PostgreSQL refuses."""
    return request.GET.get("q", "").replace("\x00", "").strip()[:100]


def known(table: type[django_tables2.Table], orders: Iterable[str]) -> list[str]:
    """Of what a query asks to sort by, the columns that the table has."""
    return [each for each in orders if each.removeprefix("-") in table.base_columns]


def _known(request: Request, table: django_tables2.Table) -> QueryDict:
    """The query without columns that the table lacks, and without a length: pages have one."""
    query = request.GET.copy()
    query.pop(table.prefixed_per_page_field, None)
    field = table.prefixed_order_by_field
    query.setlist(field, known(type(table), query.pop(field, [])))
    return query


def show_table(
    request: Request,
    template: str,
    table: django_tables2.Table,
    context: Mapping[str, Any] | None = None,
    *,
    per_page: int = 25,
) -> HttpResponse:
    """Answer with the page, or with the sorted and paged rows alone (``portal/_table.html``).

    A page number out of range shows the last page, never an error.
    """
    request.GET = _known(request, table)  # type: ignore[assignment]  # stubs know frozen ones
    paginate = {"per_page": per_page, "silent": True}
    django_tables2.RequestConfig(request, paginate=paginate).configure(table)
    part = "portal/_table.html" if wants_fragment(request) else template
    response = render(request, part, {**(context or {}), "table": table})
    patch_vary_headers(response, ["HX-Request"])
    return response
