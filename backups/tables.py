"""The list of a Backups panel: columns, order, pages. Rows are drawn by the template in one loop.

django-tables2 draws cell by cell, several times slower than the page's own query.
"""

from __future__ import annotations

from typing import Any

import django_tables2 as tables
from django.core.paginator import EmptyPage, PageNotAnInteger
from django.db.models import F, OrderBy
from django.db.models.functions import Lower
from django.http import QueryDict

from backups.models import Backup, BackupQuerySet
from portal.tables import known

PAGE_LENGTH = 25


class BackupTable(tables.Table):
    DEFAULT_ORDER = "-created_at"

    name = tables.Column()
    created_at = tables.Column("Created")
    type = tables.Column()
    kept = tables.Column("Kept", empty_values=(), orderable=False)
    size_bytes = tables.Column("Size")

    class Meta:
        model = Backup
        fields = ("name", "created_at", "type", "kept", "size_bytes")

    def order_name(self, rows: BackupQuerySet, is_descending: bool) -> tuple[Any, bool]:
        return rows.order_by(_directed(Lower("name"), is_descending), "-created_at", "pk"), True

    def order_created_at(self, rows: BackupQuerySet, is_descending: bool) -> tuple[Any, bool]:
        return rows.order_by(_directed(F("created_at"), is_descending), "pk"), True

    def order_type(self, rows: BackupQuerySet, is_descending: bool) -> tuple[Any, bool]:
        return rows.order_by(_directed(F("type"), is_descending), "-created_at", "pk"), True

    def order_size_bytes(self, rows: BackupQuerySet, is_descending: bool) -> tuple[Any, bool]:
        return rows.order_by(_directed(F("size_bytes"), is_descending), "-created_at", "pk"), True


def _directed(expression: Any, is_descending: bool) -> OrderBy:
    """Unknown values last, in either direction and on every database."""
    return OrderBy(expression, descending=is_descending, nulls_last=True)


def page_of_backups(rows: BackupQuerySet, query: QueryDict) -> BackupTable:
    """The page that ``sort`` and ``page`` of a query ask for; nonsense gives the nearest page."""
    table = BackupTable(rows, order_by=known(BackupTable, query.getlist("sort")[-1:]))
    if not table.order_by:
        table.order_by = BackupTable.DEFAULT_ORDER
    try:
        table.paginate(page=query.get("page", 1), per_page=PAGE_LENGTH)
    except PageNotAnInteger:
        table.paginate(page=1, per_page=PAGE_LENGTH)
    except EmptyPage:
        table.paginate(page=table.paginator.num_pages, per_page=PAGE_LENGTH)
    return table
