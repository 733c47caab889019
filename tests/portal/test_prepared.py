"""Statements that are kept: asked again they differ in their ids, and in nothing else."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
from django.db.models import QuerySet

from portal.models import Account, Task
from portal.paging import PreparedCount, PreparedCounts, as_count
from portal.prepared import Prepared, Statement
from tests.factories import TaskFactory
from tests.people import World


def _titles(account: uuid.UUID) -> Statement:
    rows = Task.objects.filter(account=account).order_by("title").values_list("title", "percent")
    return rows.query.sql_with_params()


def test_a_kept_statement_answers_for_each_id_it_is_given(world: World, elsewhere: World) -> None:
    for title in ("b", "a"):
        TaskFactory(account=world.account, title=title, percent=7)
    asked = Prepared(_titles)
    assert asked.rows(world.account.pk) == [("a", 7), ("b", 7)]
    assert asked.rows(elsewhere.account.pk) == []
    assert asked.rows(world.account.pk) == [("a", 7), ("b", 7)]


def test_a_statement_is_written_once(world: World) -> None:
    written: list[uuid.UUID] = []

    def write(account: uuid.UUID) -> Statement:
        written.append(account)
        return _titles(account)

    asked = Prepared(write)
    asked.rows(world.account.pk)
    asked.rows(world.account.pk)
    assert len(written) == 1
    assert written != [world.account.pk]


def test_ids_keep_their_places(world: World, elsewhere: World) -> None:
    def write(first: uuid.UUID, second: uuid.UUID) -> Statement:
        rows = Account.objects.filter(pk__in=[second]).exclude(pk=first).values_list("name")
        return rows.query.sql_with_params()

    asked = Prepared(write)
    one, other = world.account, elsewhere.account
    assert asked.rows(one.pk, other.pk) == [(other.name,)]
    assert asked.rows(other.pk, one.pk) == [(one.name,)]
    assert asked.rows(one.pk, one.pk) == []


@pytest.mark.parametrize(("made", "told"), [(2, "2"), (3, "3"), (4, "3+")])
def test_kept_counts_stop_at_their_cap(
    world: World, made: int, told: str, django_assert_num_queries: Any
) -> None:
    TaskFactory.create_batch(made, account=world.account, state=Task.State.DONE)

    def sets(account: uuid.UUID) -> list[QuerySet[Task]]:
        tasks = Task.objects.filter(account=account)
        return [tasks.filter(state=Task.State.DONE), tasks.active()]

    counts = PreparedCounts(("done", "active"), sets, cap=3)
    with django_assert_num_queries(1):
        assert as_count(counts.numbers(world.account.pk)["done"], cap=3) == told
    one = PreparedCount(lambda account: sets(account)[0], cap=3)
    assert one.number(world.account.pk) == made


def test_counts_of_the_same_ids_are_one_query_each_with_its_own_cap(
    world: World, django_assert_num_queries: Any
) -> None:
    TaskFactory.create_batch(4, account=world.account, state=Task.State.DONE)

    def done(account: uuid.UUID) -> list[QuerySet[Task]]:
        return [Task.objects.filter(account=account, state=Task.State.DONE)]

    both = PreparedCounts(("some",), done, cap=1) | PreparedCounts(("all",), done)
    with django_assert_num_queries(1):
        assert both.numbers(world.account.pk) == {"some": 2, "all": 4}
