"""Pages by key: each row once, whatever they share, and read from the cursor on."""

from __future__ import annotations

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from portal.models import Resource
from portal.paging import Order, Page, page_of
from tests.factories import ResourceFactory
from tests.people import World

LENGTH = 3


@pytest.fixture
def alike(world: World) -> list[Resource]:
    """Seven of the same size, in the order of their keys."""
    kind = Resource.Kind.PERSONAL_DRIVE
    made = [
        ResourceFactory(account=world.account, kind=kind, size_bytes=1, user_name=f"user-{number}")
        for number in range(7)
    ]
    return sorted(made, key=lambda each: each.pk)


def _page(world: World, sort: str, **query: str) -> Page[Resource]:
    rows = world.account.resources.filter(kind=Resource.Kind.PERSONAL_DRIVE)
    return page_of(rows, Order.parse(sort, ("size_bytes",), "size_bytes"), query, LENGTH)


@pytest.mark.parametrize("sort", ["size_bytes", "-size_bytes"])
def test_rows_that_share_a_value_come_once_each(
    world: World, alike: list[Resource], sort: str
) -> None:
    expected = alike if sort == "size_bytes" else alike[::-1]
    pages = [_page(world, sort)]
    while pages[-1].next:
        pages.append(_page(world, sort, after=pages[-1].next))
    assert [row for page in pages for row in page.rows] == expected
    back = _page(world, sort, before=pages[-1].previous)
    assert back.rows == pages[-2].rows


def test_a_later_page_is_found_by_value_and_key_at_once(
    world: World, alike: list[Resource]
) -> None:
    first = _page(world, "size_bytes")
    with CaptureQueriesContext(connection) as queries:
        _page(world, "size_bytes", after=first.next)
    (asked,) = (each["sql"].replace('"portal_resource".', "") for each in queries)
    assert '("size_bytes", "id") > (' in asked
