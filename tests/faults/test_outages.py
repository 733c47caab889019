"""Errors of a database told apart: by what real servers and files say."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psycopg
import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test import Client

from portal.engine.clock import SystemClock
from portal.engine.steadily import steadily
from portal.models import Account
from portal.outages import Outage, is_down, outage_of
from tests.faults.conditions import full
from tests.people import World

pytestmark = pytest.mark.django_db(transaction=True)

on_postgres = pytest.mark.skipif(
    connection.vendor != "postgresql", reason="two transactions at once are PostgreSQL's"
)
on_sqlite = pytest.mark.skipif(
    connection.vendor != "sqlite", reason="the limit of a file is SQLite's"
)


def error_of(work: Callable[[], object]) -> DatabaseError:
    with pytest.raises(DatabaseError) as raised:
        work()
    return raised.value


def test_a_defect_is_no_outage(world: World) -> None:
    with connection.cursor() as cursor:
        assert outage_of(error_of(lambda: cursor.execute("SELECT no FROM such_table"))) is None
    assert outage_of(ValueError("nothing of the database's")) is None
    twice = Account(pk=world.account.pk, name="A copy", organization=world.organization)
    with pytest.raises(IntegrityError) as raised:
        twice.save(force_insert=True)
    assert outage_of(raised.value) is None


@on_sqlite
def test_a_full_disk_is_named_and_work_goes_on_when_there_is_space(world: World) -> None:
    def write() -> None:
        Account.objects.filter(pk=world.account.pk).update(name="x" * 100)
        with connection.cursor() as cursor:
            cursor.execute("INSERT INTO filler VALUES (zeroblob(1000000))")

    with full():
        error = error_of(transaction.atomic(write))
    assert outage_of(error) == Outage.FULL
    assert is_down(error)
    world.account.refresh_from_db()
    assert world.account.name == "Meridian account"


@on_postgres
def test_a_transaction_that_lost_to_another_is_done_again(world: World) -> None:
    names: list[str] = []

    @transaction.atomic
    def rename() -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        account = Account.objects.get(pk=world.account.pk)
        if not names:
            with psycopg.connect(**connection.get_connection_params()) as other:
                other.execute("UPDATE portal_account SET name = 'Theirs'")
        names.append(account.name)
        Account.objects.filter(pk=account.pk).update(name=f"{account.name} and ours")

    steadily(rename, SystemClock())
    assert names == ["Meridian account", "Theirs"]
    world.account.refresh_from_db()
    assert world.account.name == "Theirs and ours"


@on_postgres
def test_who_is_sacrificed_to_a_deadlock_goes_on_after_it(world: World, elsewhere: World) -> None:
    mine, theirs = world.account.pk, elsewhere.account.pk
    tries: list[int] = []
    lock = "SELECT 1 FROM portal_account WHERE id = %s FOR UPDATE"
    other = psycopg.connect(**connection.get_connection_params())
    other.execute("SET deadlock_timeout = '60s'")
    other.execute(lock, [theirs])

    def cross_over() -> None:
        with other:
            other.execute(lock, [mine])

    crossing = threading.Thread(target=cross_over)

    @transaction.atomic
    def cross() -> None:
        tries.append(1)
        with connection.cursor() as cursor:
            # The one that looks for a deadlock first is the one that finds itself in it.
            cursor.execute("SET LOCAL deadlock_timeout = '20ms'")
            cursor.execute(lock, [mine])
            if len(tries) == 1:
                crossing.start()
            cursor.execute(lock, [theirs])

    steadily(cross, SystemClock())
    crossing.join()
    assert len(tries) > 1


def test_a_signed_in_person_gets_signs_of_life_without_a_query(
    django_assert_num_queries: Callable[[int], object], client: Client, account_admin: object
) -> None:
    client.force_login(account_admin)  # type: ignore[arg-type]
    with django_assert_num_queries(0):  # type: ignore[attr-defined]
        assert client.get("/healthz").json() == {"status": "ok"}
