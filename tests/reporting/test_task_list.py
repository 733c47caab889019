"""The Tasks page: what is listed, in which order, and how it is narrowed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from portal.models import Task
from tests.factories import TaskFactory
from tests.people import World
from tests.reporting.pages import HTMX, count_queries, failed_task, running_task, text_of, url


def test_an_account_without_tasks_says_what_will_be_there(world: World, reader: Client) -> None:
    assert "No tasks yet" in text_of(reader, url("task_list", world.account))


def test_a_row_says_what_how_far_who_and_how_long(
    world: World, reader: Client, org_admin: object
) -> None:
    started = timezone.now() - timedelta(minutes=4, seconds=5)
    running_task(world.sandbox, requested_by=org_admin, started_at=started, subject="Before 12.4")
    text = text_of(reader, url("task_list", world.account))
    for part in ("Backup Sandbox", "Before 12.4", "Running", "42%", "Hana Oliveira", "4 min"):
        assert part in text
    assert "Copy the disk" in text


@pytest.mark.parametrize(
    ("state", "word", "tone"),
    [
        ("queued", "Queued", "idle"),
        ("running", "Running", "run"),
        ("failing", "Failing", "bad"),
        ("canceling", "Canceling", "idle"),
        ("done", "Done", "ok"),
        ("failed", "Failed", "bad"),
        ("canceled", "Canceled", "idle"),
    ],
)
def test_states_have_the_words_and_colours_of_the_original(
    state: str, word: str, tone: str, world: World, reader: Client
) -> None:
    TaskFactory(account=world.account, state=state)
    text = text_of(reader, url("task_list", world.account), **HTMX)
    mark = text[text.index('class="status"') :]
    assert mark.startswith(f'class="status" data-tone="{tone}"')
    assert f"</svg>{word}</span>" in mark


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"Alpha", "Beta", "Gamma"}),
        ("show=active", {"Alpha"}),
        ("show=failed", {"Beta"}),
        ("show=done", {"Gamma"}),
        ("kind=restore_backup", {"Gamma"}),
        ("q=alph", {"Alpha"}),
        ("q=meridian-util", {"Beta"}),
        ("q=alpha&show=failed", set()),
        ("show=nonsense", {"Alpha", "Beta", "Gamma"}),
        ("after=nonsense&before=%00&sort=state", {"Alpha", "Beta", "Gamma"}),
    ],
)
def test_the_list_is_narrowed_by_state_type_and_text(
    query: str, found: set[str], world: World, reader: Client
) -> None:
    running_task(world.sandbox, subject="Alpha")
    failed_task(world.utility_server, subject="Beta")
    TaskFactory(account=world.account, kind="restore_backup", subject="Gamma")
    text = text_of(reader, f"{url('task_list', world.account)}?{query}", **HTMX)
    assert {name for name in ("Alpha", "Beta", "Gamma") if name in text} == found


def test_publishing_with_and_without_sysprep_is_one_type(world: World, reader: Client) -> None:
    for kind in ("publish_sandbox", "publish_joined_sandbox", "delete_backup"):
        TaskFactory(account=world.account, kind=kind, subject=f"by {kind}")
    page = text_of(reader, f"{url('task_list', world.account)}?kind=publish_sandbox")
    assert "by publish_sandbox" in page
    assert "by publish_joined_sandbox" in page
    assert "by delete_backup" not in page
    assert page.count(">Publish</option>") == 1


def test_a_whole_id_finds_its_task(world: World, reader: Client) -> None:
    wanted = TaskFactory(account=world.account, subject="Wanted")
    TaskFactory(account=world.account, subject="Unwanted one")
    text = text_of(reader, f"{url('task_list', world.account)}?q={wanted.pk}", **HTMX)
    assert "Wanted" in text
    assert "Unwanted" not in text


def test_what_does_not_match_offers_to_clear_the_filters(world: World, reader: Client) -> None:
    TaskFactory(account=world.account)
    text = text_of(reader, f"{url('task_list', world.account)}?q=%F0%9F%A6%84{'x' * 300}")
    assert "No task matches" in text
    assert "Clear filters" in text


def test_pages_follow_each_other_without_gap_or_double(world: World, reader: Client) -> None:
    now = timezone.now()
    for number in range(60):
        # Three each have the same time: the key decides between them.
        at = now - timedelta(minutes=number // 3)
        TaskFactory(account=world.account, subject=f"No {number:02}.", created_at=at)
    address, seen = url("task_list", world.account), []
    page = reader.get(address).context["page"]
    while True:
        seen += [task.pk for task in page.rows]
        if not page.next:
            break
        page = reader.get(f"{address}?after={page.next}").context["page"]
    expected = Task.objects.order_by("-created_at", "-pk").values_list("pk", flat=True)
    assert seen == list(expected)
    back = reader.get(f"{address}?before={page.previous}").context["page"]
    assert [task.pk for task in back.rows] == seen[25:50]
    assert reader.get(f"{address}?before={back.previous}").context["page"].previous == ""


def test_the_list_is_sorted_by_title_both_ways(world: World, reader: Client) -> None:
    for title in ("Backup b", "Backup c", "Backup a"):
        TaskFactory(account=world.account, title=title)
    address = url("task_list", world.account)
    for sort, titles in (("title", "abc"), ("-title", "cba")):
        page = reader.get(f"{address}?sort={sort}").context["page"]
        assert "".join(task.title[-1] for task in page.rows) == titles


def test_other_accounts_tasks_are_not_listed(
    world: World, elsewhere: World, reader: Client
) -> None:
    TaskFactory(account=elsewhere.account, subject="Theirs")
    assert "Theirs" not in text_of(reader, url("task_list", world.account))


def test_more_tasks_need_no_more_queries(world: World, reader: Client) -> None:
    address = url("task_list", world.account)
    TaskFactory.create_batch(2, account=world.account, resource=world.sandbox)
    few = count_queries(reader, address)
    TaskFactory.create_batch(20, account=world.account, resource=world.sandbox)
    failed_task(world.sandbox)
    assert count_queries(reader, address) == few


def test_a_list_of_one_page_is_counted_by_its_rows(world: World, reader: Client) -> None:
    TaskFactory.create_batch(3, account=world.account)
    address = f"{url('task_list', world.account)}?q=Backup"
    with CaptureQueriesContext(connection) as asked:
        text = text_of(reader, address, **HTMX)
    assert "3 tasks" in text
    assert not [query for query in asked.captured_queries if "COUNT(" in query["sql"]]


@pytest.mark.skipif(connection.vendor != "sqlite", reason="others plan by how many rows there are")
def test_what_the_shell_counts_is_read_from_an_index(world: World) -> None:
    active = Task.objects.filter(account=world.account).active()
    assert "COVERING INDEX task_by_state" in active.values("state").explain()


def test_a_row_leads_to_the_page_of_its_entity(world: World, reader: Client) -> None:
    from django.urls import reverse

    running_task(world.utility_server)
    page = reverse(
        "backups:utility_server_detail", args=[world.account.pk, world.utility_server.pk]
    )
    text = text_of(reader, url("task_list", world.account))
    assert f'<a href="{page}">{world.utility_server.name}</a>' in text
    assert "Kept for 12 months" in text


def test_one_entity_has_a_page_of_its_tasks_those_among_many_too(
    world: World, elsewhere: World, reader: Client
) -> None:
    parent = TaskFactory(account=world.account, title="Of many")
    failed_task(world.utility_server, title="Its own", parent=parent)
    running_task(world.sandbox, title="Of another")
    failed_task(elsewhere.utility_server, title="Of a stranger")
    address = url("task_list", world.account)
    text = text_of(reader, f"{address}?resource={world.utility_server.pk}")
    assert "Its own" in text
    assert f"{world.utility_server.name} alone" in text
    for other in ("Of many", "Of another", "Of a stranger"):
        assert other not in text
    theirs = text_of(reader, f"{address}?resource={elsewhere.utility_server.pk}")
    assert "Of a stranger" not in theirs
    assert elsewhere.utility_server.name not in theirs
    assert "Its own" not in text_of(reader, f"{address}?resource=nonsense", **HTMX)
    task = failed_task(world.utility_server)
    assert f"{address}?resource={world.utility_server.pk}" in text_of(
        reader, url("task_detail", world.account, task.pk)
    )
