"""Search finds volumes by the beginnings of words, by an index on both databases."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext

from portal.models import Account, Resource, ResourceWord
from portal.words import note_words, words_of
from tests.factories import AccountFactory, ResourceFactory
from tests.people import World
from volumes.search import matching

Kind = Resource.Kind
ARM = (
    "/subscriptions/33333333-3333-4333-8333-333333333333/resourcegroups/rg-vdi/providers"
    "/microsoft.compute/disks/"
)


def _volume(account: Account, name: str, user: str, external_id: str = "") -> Resource:
    made: Resource = ResourceFactory(
        account=account, kind=Kind.ENTERPRISE_PROFILE, name=name, user_name=user,
        external_id=external_id or str(uuid.uuid4()),
    )  # fmt: skip
    note_words([made.pk])
    return made


def _found(account: Account, text: str) -> set[str]:
    return {row.name for row in matching(account.resources.volumes(), text)}


@pytest.fixture
def account(world: World) -> Account:
    _volume(world.account, "EP-s.lindqvist", "sofia.lindqvist@meridian.example")
    _volume(world.account, "EP_Müller", "jürgen.müller@meridian.example")
    _volume(world.account, "EP-Łukasz", "łukasz.żak@meridian.example", f"{ARM}ep-lukasz-7")
    _volume(world.account, "田中-EP", "aiko.tanaka@meridian.example", f"{ARM}ep-tanaka-8")
    return world.account


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("sof", {"EP-s.lindqvist"}),
        ("SOFIA", {"EP-s.lindqvist"}),
        ("lindqvist sofia", {"EP-s.lindqvist"}),
        ("ep-s.lin", {"EP-s.lindqvist"}),
        ("sofia.lindqvist@meridian.example", {"EP-s.lindqvist"}),
        ("ofia", set()),
        ("sofia tanaka", set()),
        ("MÜLLER", {"EP_Müller"}),
        ("Mu\u0308ller", {"EP_Müller"}),
        ("żak", {"EP-Łukasz"}),
        ("田", {"田中-EP"}),
        ("ep-lukasz-7", {"EP-Łukasz"}),
        (f" {ARM.upper()}EP-TANAKA-8 ", {"田中-EP"}),
        (f"{ARM}ep-tanaka", set()),
        ("%", {"EP-s.lindqvist", "EP_Müller", "EP-Łukasz", "田中-EP"}),
        ("_", {"EP-s.lindqvist", "EP_Müller", "EP-Łukasz", "田中-EP"}),
        ("subscriptions", set()),
        ("s" * 5000, set()),
        ("sofia lindqvist ep s meridian and-a-sixth", {"EP-s.lindqvist"}),
    ],
)
def test_each_word_typed_is_the_beginning_of_a_word(
    account: Account, text: str, names: set[str]
) -> None:
    assert _found(account, text) == names


def test_an_id_pasted_whole_finds_its_volume(account: Account) -> None:
    row = account.resources.get(name="EP-s.lindqvist")
    for text in (str(row.pk), row.external_id, row.external_id.upper(), row.external_id[:8]):
        assert _found(account, text) == {row.name}, text
    assert _found(account, str(uuid.uuid4())) == set()


def test_words_of_another_account_find_nothing_here(account: Account) -> None:
    other = AccountFactory(organization=account.organization)
    _volume(other, "EP-other", "sofia.other@meridian.example")
    assert _found(account, "sofia") == {"EP-s.lindqvist"}
    assert _found(other, "sofia") == {"EP-other"}


def test_words_are_written_once_and_cut(world: World) -> None:
    long = _volume(world.account, "x" * 255, "y" * 150)
    assert max(len(each.word) for each in long.words.all()) == 100
    with CaptureQueriesContext(connection) as captured:
        note_words([long.pk])
    assert not [query for query in captured if query["sql"].startswith(("INSERT", "DELETE"))]
    assert _found(world.account, "x" * 100) == {long.name}


def test_of_a_path_only_the_last_part_is_words() -> None:
    words = words_of(uuid.UUID(int=1), "PDR", "ines", f"{ARM}data-1")
    assert {"pdr", "ines", "data", "1"} <= words
    assert not {"subscriptions", "providers", "33333333"} & words
    assert f"{ARM}data-1"[-100:] in words


def _plan(rows: Iterable[Resource]) -> str:
    return str(rows.explain())  # type: ignore[attr-defined]  # every QuerySet has it


def test_an_index_of_words_answers_on_both_databases(world: World) -> None:
    rows = [
        ResourceFactory.build(
            account=world.account, cloud_account=world.cloud_account,
            kind=Kind.PERSISTENT_DESKTOP, name=f"pd-{number:05}", external_id=f"vm-{number}",
            user_name=f"user{number}.family{number % 50}@meridian.example",
        )
        for number in range(1500)
    ]  # fmt: skip
    Resource.objects.bulk_create(rows)
    note_words(row.pk for row in rows)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("ANALYZE")
        volumes = world.account.resources.volumes()
        assert [row.name for row in matching(volumes, "user1234 family34")] == ["pd-01234"]
        plan = _plan(matching(volumes, "user1234"))
        of_two = _plan(matching(volumes, "user1234 family34"))
    assert "word_of_account" in plan, plan
    if connection.vendor == "sqlite":
        assert "account_id=? AND word>? AND word<?" in plan, plan
    else:
        assert re.search(r"Index Cond: \(\(account_id = .* AND \(word >= ", plan), plan
        assert "Seq Scan on portal_resourceword" not in of_two, of_two


def test_ten_thousand_volumes_are_noted_in_batches(world: World) -> None:
    rows = [
        ResourceFactory.build(
            account=world.account, cloud_account=world.cloud_account,
            kind=Kind.PERSISTENT_DESKTOP, name=f"pd-{number:05}", external_id=f"vm-{number}",
            user_name=f"user{number}@meridian.example",
        )
        for number in range(2500)
    ]  # fmt: skip
    Resource.objects.bulk_create(rows)
    with CaptureQueriesContext(connection) as captured:
        note_words(row.pk for row in rows)
    assert len(captured) <= 20
    assert ResourceWord.objects.filter(word="user2499").exists()
