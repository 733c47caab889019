"""A task that starts others is one row everywhere; its page lists what it has started."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from portal import engine
from portal.audit import SYSTEM
from portal.context_processors import Shell
from portal.models import Account, AuditEntry, CloudAccount, Task, User
from portal.paging import PAGE_LENGTH
from reporting.standing import standing_of
from tests.factories import TaskFactory
from tests.people import World
from tests.portal.test_shell import asked
from tests.reporting.many import backup_of_many, volume
from tests.reporting.pages import (
    HTMX,
    SignIn,
    count_queries,
    plan_of,
    running_task,
    text_of,
    url,
)
from volumes.fan_out import start_backups
from volumes.selection import Selection
from volumes.services import backup_selection

ROWS = HTMX | {"HX-Target": "rows"}


def live(client: Client, account: Account, *parts: str) -> str:
    """What a page's poll brings for these parts."""
    asked_for = "&".join(f"part={part}" for part in parts)
    address = reverse("portal:account_live", args=[account.pk])
    return text_of(client, f"{address}?{asked_for}", **HTMX)


# One row


def test_lists_show_what_was_asked_for_and_never_what_that_started(
    world: World, reader: Client, org_admin: User
) -> None:
    backup_of_many(world.account, "done failed running queued queued")
    assert Shell(asked(org_admin, account=world.account)).active_task_count == 1
    pages = {
        "list": text_of(reader, url("task_list", world.account)),
        "in progress": text_of(reader, f"{url('task_list', world.account)}?show=active", **HTMX),
        "widget": text_of(reader, url("task_widget", world.account), **HTMX),
        "overview": text_of(reader, url("overview", world.account)),
        "live": live(reader, world.account, "tray", "overview:"),
    }
    for name, text in pages.items():
        assert "Backup 5 volumes" in text, name
        assert "pd-0001" not in text, name


def test_a_task_that_is_started_under_another_never_enters_the_widget(world: World) -> None:
    parent = backup_of_many(world.account, "")
    desktop = volume(world.account)
    start_backups(parent, [desktop.pk], timezone.now())
    engine.start("create_volume_backup", title="B", account=world.account, parent=parent)
    assert parent.children.count() == 2
    assert not parent.children.filter(acknowledged_at=None).exists()


def test_a_row_says_how_many_are_done_failed_and_waiting_and_how_long_it_takes(
    world: World, reader: Client
) -> None:
    parent = backup_of_many(world.account, "done " * 7 + "failed " + "queued " * 4)
    for text in (
        text_of(reader, url("task_list", world.account), **HTMX),
        live(reader, world.account, f"row:{parent.pk}"),
        text_of(reader, url("task_widget", world.account), **HTMX),
        text_of(reader, url("overview", world.account)),
        live(reader, world.account, f"task:{parent.pk}"),
    ):
        for part in ("7 of 12 done", "1 failed · 4 waiting", "about 5 min left", "66%"):
            assert part in text


def test_those_still_to_be_started_count_as_waiting(world: World) -> None:
    parent = backup_of_many(world.account, "done running queued")
    Task.objects.filter(pk=parent.pk).update(args=parent.args | {"count": 2000})
    parent.refresh_from_db()
    assert standing_of(parent).word == "1 of 2,000 done"
    assert "1,998 waiting" in standing_of(parent).note


@pytest.mark.parametrize(
    ("children", "memory", "tone", "word", "note"),
    [
        ("done done", {}, "ok", "Done", ""),
        ("done done failed", {}, "warn", "Done, 1 failed", "2 of 3 done"),
        ("failed failed", {}, "bad", "All 2 failed", ""),
        ("failed", {}, "bad", "Failed", ""),
        ("done", {"busy": 2, "full": 1}, "warn", "Done", "3 skipped"),
        ("done canceled", {}, "ok", "Done", "1 of 2 done · 1 canceled"),
    ],
)
def test_the_end_of_many_is_green_amber_or_red(
    children: str, memory: dict[str, int], tone: str, word: str, note: str,
    world: World, reader: Client,
) -> None:  # fmt: skip
    parent = backup_of_many(world.account, children, state="done", memory=memory)
    text = text_of(reader, url("task_list", world.account), **HTMX)
    mark = text[text.index('class="status"') :]
    assert mark.startswith(f'class="status" data-tone="{tone}"')
    assert f"</svg>{word}</span>" in mark
    assert standing_of(parent).note == note
    assert note in text


def test_a_canceled_one_says_what_was_done_before(world: World, reader: Client) -> None:
    backup_of_many(world.account, "done failed canceled canceled", state="canceled")
    text = text_of(reader, url("task_list", world.account), **HTMX)
    assert "Canceled" in text
    assert "1 of 4 done · 1 failed · 2 canceled" in text


def test_a_row_leads_to_what_failed(world: World, reader: Client) -> None:
    parent = backup_of_many(world.account, "done failed", state="done")
    address = f"{url('task_detail', world.account, parent.pk)}?show=failed"
    assert f'href="{address}"' in text_of(reader, url("task_list", world.account), **HTMX)
    text = text_of(reader, address)
    assert "no room for pd-0001" in text
    assert "pd-0000" not in text


def test_failed_finds_what_has_failed_in_part(world: World, reader: Client) -> None:
    backup_of_many(world.account, "done failed", state="done", origin=Task.Origin.SCHEDULE)
    TaskFactory(account=world.account, title="A good one")
    answer = reader.get(f"{url('task_list', world.account)}?show=failed")
    assert [task.title for task in answer.context["page"].rows] == ["Backup 2 volumes"]
    assert answer.context["failed_count"] == "1"


def test_the_whole_id_of_a_child_finds_it(world: World, reader: Client) -> None:
    child = backup_of_many(world.account, "failed").children.get()
    answer = reader.get(f"{url('task_list', world.account)}?q={child.pk}")
    assert answer.context["page"].rows == [child]


def test_kinds_of_volumes_are_filtered_with_those_of_servers(world: World, reader: Client) -> None:
    TaskFactory(account=world.account, kind="create_backup", subject="Of a server")
    TaskFactory(account=world.account, kind="create_volume_backup", subject="Of a volume")
    backup_of_many(world.account, "done", state="done")
    text = text_of(reader, f"{url('task_list', world.account)}?kind=create_backup")
    assert "Of a server" in text
    assert "Of a volume" in text
    assert "Nightly" not in text
    assert ">Backup of many volumes</option>" in text


# Its page


def test_the_page_lists_what_was_started_and_says_why_some_were_not(
    world: World, reader: Client
) -> None:
    memory = {"busy": 3, "full": 2, "missing": 1}
    parent = backup_of_many(world.account, "done failed", state="done", memory=memory)
    text = text_of(reader, url("task_detail", world.account, parent.pk))
    for part in ("6 skipped", "3 busy with another task", "2 at their number of manual backups",
                 "1 no longer at the cloud", "1 of 2 failed", "m.okafor"):  # fmt: skip
        assert part in text
    for child in parent.children.all():
        assert f'href="{url("task_detail", world.account, child.pk)}"' in text


@pytest.mark.parametrize(
    ("show", "count"),
    [("", 8), ("failed", 2), ("waiting", 1), ("active", 1), ("done", 3), ("canceled", 1),
     ("nonsense", 8)],
)  # fmt: skip
def test_the_list_is_narrowed_by_state_with_counts(
    show: str, count: int, world: World, reader: Client
) -> None:
    parent = backup_of_many(world.account, "done done done failed failed queued running canceled")
    answer = reader.get(f"{url('task_detail', world.account, parent.pk)}?show={show}")
    assert len(answer.context["page"].rows) == count
    shown = {facet.show: facet.number for facet in answer.context["facets"]}
    assert shown == {"": 8, "failed": 2, "waiting": 1, "active": 1, "done": 3, "canceled": 1}


def test_the_list_is_paged_without_gap_or_double(world: World, reader: Client) -> None:
    parent = backup_of_many(world.account, "done " * 60)
    # One portion is started in one moment: the key decides.
    parent.children.update(created_at=timezone.now())
    address, seen = url("task_detail", world.account, parent.pk), []
    page = reader.get(address).context["page"]
    while True:
        seen += [task.pk for task in page.rows]
        if not page.next:
            break
        page = reader.get(f"{address}?after={page.next}", headers=ROWS).context["page"]
    assert len(page.rows) == 60 - 2 * PAGE_LENGTH
    assert seen == sorted(parent.children.values_list("pk", flat=True))


def test_the_part_that_is_asked_for_comes_alone(world: World, reader: Client) -> None:
    parent = backup_of_many(world.account, "done")
    address = url("task_detail", world.account, parent.pk)
    rows = text_of(reader, address, **ROWS)
    assert '<section class="panel" id="rows"' in rows
    assert f'id="task-{parent.pk}"' not in rows
    opened = text_of(reader, address, **HTMX)
    assert 'id="rows"' not in opened
    assert f'id="task-{parent.pk}"' in opened


def test_a_child_leads_to_its_parent(world: World, reader: Client) -> None:
    parent = backup_of_many(world.account, "done")
    text = text_of(reader, url("task_detail", world.account, parent.children.get().pk))
    assert f'href="{url("task_detail", world.account, parent.pk)}">Backup 1 volumes Nightly' in text
    assert "Part of" in text


def test_a_child_that_waits_says_how_many_wait_with_it(world: World, reader: Client) -> None:
    CloudAccount.objects.filter(pk=world.cloud_account.pk).update(max_tasks=1)
    running_task(world.sandbox)
    parent = backup_of_many(world.account, "queued queued queued")
    parent.children.update(created_at=timezone.now() - timedelta(minutes=1))
    child = parent.children.first()
    assert child
    text = text_of(reader, url("task_detail", world.account, child.pk))
    assert "2 were requested together with it." in text
    assert "It is the next" not in text


# What moves


def test_the_counts_move_and_the_list_is_drawn_anew_at_the_end(
    world: World, reader: Client
) -> None:
    parent = backup_of_many(world.account, "done queued")
    page = text_of(reader, url("task_detail", world.account, parent.pk))
    assert f'data-live="tally:{parent.pk}"' in page
    address = f"{reverse('portal:account_live', args=[world.account.pk])}?part=tally:{parent.pk}"
    answer = reader.get(address, headers=HTMX)
    assert '<span id="count-waiting" data-hx-swap-oob="true">1</span>' in answer.text
    assert "HX-Trigger" not in answer
    parent.children.update(state=Task.State.DONE)
    Task.objects.filter(pk=parent.pk).update(state=Task.State.DONE, memory={"done": 2, "failed": 0})
    assert reader.get(address, headers=HTMX)["HX-Trigger"] == "settled"
    assert "data-live" not in text_of(reader, url("task_detail", world.account, parent.pk))


def test_an_empty_list_is_drawn_anew_when_the_first_has_begun(world: World, reader: Client) -> None:
    parent = backup_of_many(world.account, "")
    page = text_of(reader, url("task_detail", world.account, parent.pk))
    assert f'data-live="tally:{parent.pk},empty"' in page
    assert "None has begun" in page
    live_url = reverse("portal:account_live", args=[world.account.pk])
    address = f"{live_url}?part=tally:{parent.pk},empty&part=tally:nonsense&part=tally:"
    assert "HX-Trigger" not in reader.get(address, headers=HTMX)
    TaskFactory(account=world.account, parent=parent, state=Task.State.QUEUED)
    assert reader.get(address, headers=HTMX)["HX-Trigger"] == "settled"


def test_others_cannot_ask_how_many(world: World, elsewhere: World, reader: Client) -> None:
    theirs = backup_of_many(elsewhere.account, "done queued")
    assert "count-" not in live(reader, world.account, f"tally:{theirs.pk}")


# What can be done


def test_cancel_says_that_what_is_done_stays(world: World, admin: Client) -> None:
    parent = backup_of_many(world.account, "done running queued")
    text = text_of(admin, url("task_cancel", world.account, parent.pk), **HTMX)
    assert "Those that are done stay." in text
    admin.post(url("task_cancel", world.account, parent.pk))
    parent.refresh_from_db()
    assert parent.cancel_requested_at


def test_retry_failed_backs_up_just_those_that_failed(world: World, admin: Client) -> None:
    parent = backup_of_many(world.account, "done failed failed", state="done")
    address = url("task_retry", world.account, parent.pk)
    assert "Retry failed" in text_of(admin, url("task_detail", world.account, parent.pk))
    text = text_of(admin, address, **HTMX)
    assert "The 2 of “Backup 3 volumes Nightly” that failed are requested again" in text
    answer = admin.post(address)
    again = Task.objects.on_top().exclude(pk=parent.pk).get()
    assert answer.headers["Location"] == url("task_detail", world.account, again.pk)
    failed = parent.children.filter(state="failed").values_list("resource", flat=True)
    kept = Selection.from_json(again.args["selection"])
    assert set(kept.ids or ()) == set(failed)
    assert AuditEntry.objects.filter(action="task.retry").count() == 1


@pytest.mark.parametrize(("children", "state"), [("done failed", "running"), ("done done", "done")])
def test_retry_failed_waits_for_the_end_and_for_something_to_retry(
    children: str, state: str, world: World, admin: Client
) -> None:
    parent = backup_of_many(world.account, children, state=state)
    address = url("task_retry", world.account, parent.pk)
    page = text_of(admin, url("task_detail", world.account, parent.pk), **HTMX)
    assert address not in page
    assert admin.post(address).status_code == 422
    assert Task.objects.on_top().count() == 1


def test_one_that_failed_is_retried_alone(world: World, admin: Client) -> None:
    parent = backup_of_many(world.account, "done failed running")
    child = parent.children.get(state="failed")
    address = url("task_retry", world.account, child.pk)
    text = text_of(admin, url("task_detail", world.account, parent.pk), **ROWS)
    assert text.count("/retry/") == 2  # an address and what script asks for, of one row
    assert address in text
    admin.post(address)
    again = Task.objects.on_top().exclude(pk=parent.pk).get()
    assert (again.kind, again.resource) == ("create_volume_backup", child.resource)


def test_support_stops_and_retries_what_it_may_start(
    world: World, sign_in: SignIn, support: User
) -> None:
    client = sign_in(support)
    parent = backup_of_many(world.account, "failed", state="done")
    assert "/retry/" in text_of(client, url("task_detail", world.account, parent.pk))
    assert client.get(url("task_retry", world.account, parent.pk)).status_code == 200
    running = backup_of_many(world.account, "running")
    assert client.post(url("task_cancel", world.account, running.pk)).status_code == 302
    of_server = TaskFactory(account=world.account, state="running", resource=world.sandbox)
    for name in ("task_cancel", "task_retry"):
        assert client.post(url(name, world.account, of_server.pk)).status_code == 403
    assert "/cancel/" not in text_of(client, url("task_detail", world.account, of_server.pk))


def test_those_who_only_read_are_offered_nothing(world: World, reader: Client) -> None:
    parent = backup_of_many(world.account, "failed", state="done")
    assert "/retry/" not in text_of(reader, url("task_detail", world.account, parent.pk))
    assert reader.post(url("task_retry", world.account, parent.pk)).status_code == 403
    assert reader.post(url("task_cancel", world.account, parent.pk)).status_code == 403


# What it costs


def test_more_children_and_more_parents_need_no_more_queries(world: World, reader: Client) -> None:
    parent = backup_of_many(world.account, "done failed queued running")
    addresses = [
        url("task_list", world.account),
        url("task_detail", world.account, parent.pk),
        url("overview", world.account),
    ]
    few = [count_queries(reader, address) for address in addresses]
    for _ in range(5):
        backup_of_many(world.account, "done failed queued running " * 3)
    TaskFactory.create_batch(
        40, parent=parent, account=world.account, kind="create_volume_backup",
        resource=parent.children.all()[0].resource,
    )  # fmt: skip
    assert [count_queries(reader, address) for address in addresses] == few


# How pages may look for tasks, so that ten thousand children and years of them cost nothing.
REACHED_BY = re.compile(
    r"task_on_top \(account_id=\? AND parent_id=\?"
    r"|task_by_state \(account_id=\? AND state=\?( AND parent_id=\?|\)$)"
    r"|task_of_parent \(parent_id=\? AND state=\?"
    r"|COVERING INDEX task_of_parent \(parent_id=\?"
    r"|task_in_widget \(account_id=\?"
    r"|task_in_line \(cloud_account_id=\? AND state=\?"
    r"|portal_task_1 \(id=\?"
    r"|(resource_id\w*|one_active_task_per_resource) \(resource_id=\?"
    # The shell asks for notices in the same statement.
    r"|portal_dismissal_1 \(notification_id=\? AND user_id=\?"
)


@pytest.mark.skipif(connection.vendor != "sqlite", reason="others plan by how many rows there are")
@pytest.mark.parametrize(
    "page",
    ["tasks/", "tasks/?show=active", "tasks/?show=failed", "tasks/?show=done", "tasks/?q=word",
     "tasks/?sort=title", "tasks/?q={parent}", "tasks/{parent}/", "tasks/{parent}/?show=failed",
     "tasks/{parent}/?show=waiting", "tasks/{child}/", "tasks/widget/", "",
     "live/?part=tray&part=overview:{parent}&part=row:{parent}&part=task:{parent}"
     "&part=tally:{parent}"],
)  # fmt: skip
def test_every_page_reaches_its_tasks_by_an_index(page: str, world: World, admin: Client) -> None:
    parent = backup_of_many(world.account, "done failed queued running")
    backup_of_many(world.account, "done failed", state="canceled")
    child = parent.children.get(state="queued")
    path = page.format(parent=parent.pk, child=child.pk)
    headers = HTMX if "live" in page or "widget" in page else {}
    with CaptureQueriesContext(connection) as queries:
        text_of(admin, f"/accounts/{world.account.pk}/{path}", **headers)
    selects = [each["sql"] for each in queries.captured_queries if "portal_task" in each["sql"]]
    lines = [line for sql in selects for line in plan_of(sql)]
    lines = [line for line in lines if re.match(r"(SEARCH|SCAN) (portal_task|U\d)\b", line)]
    assert lines
    assert [line for line in lines if not REACHED_BY.search(line)] == []


def test_a_backup_of_many_as_it_is_started_has_a_page(world: World, reader: Client) -> None:
    volume(world.account)
    task = backup_selection(SYSTEM, world.account, Selection(), name="All")
    text = text_of(reader, url("task_detail", world.account, task.pk))
    assert "Starts as soon as a worker looks" in text
    assert "Queued" in text_of(reader, url("task_list", world.account), **HTMX)
