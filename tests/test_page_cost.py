"""What every page costs: queries, bytes and requests, the same however much there is to show."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import django_htmx
import pytest
from django.conf import LazySettings
from django.core.management import call_command
from django.test import Client
from django.urls import reverse

from portal.models import Task, User
from portal.templatetags import ui
from tests.addresses import ours
from tests.factories import TaskFactory
from tests.filled import fill
from tests.page_cost import ACCEPTED, Cost, Visitor, text_of
from tests.people import World
from tests.things import Things, make_things

SignIn = Callable[[User], Client]
FIRST_LOAD_BYTES = 60_000
# The page, its styles, two scripts, the sheet of icons and the page's own icon.
REQUESTS = 6
# The answer to a poll, with twenty tasks that move.
POLL_BYTES = 1_500
# Swagger UI draws the reference of the API, with some 400 kB, for those who write programs.
NOT_SMALL = {"reporting:api_docs"}
# Queries by page. Whoever adds a page adds its line; whoever makes one dearer says why.
QUERIES = {
    "portal:account_list": 8,
    "portal:account_settings": 6,
    "portal:account_edit": 5,
    "portal:account_place": 7,
    "portal:account_access": 12,
    "portal:role_grant_create": 8,
    "portal:role_grant_revoke": 9,
    "portal:invitation_revoke": 10,
    "portal:account_machines": 7,
    "portal:machine_assign": 8,
    "portal:machine_remove": 6,
    "portal:organization_list": 10,
    "portal:organization_create": 7,
    "portal:organization_delete": 9,
    "portal:account_create": 8,
    "portal:cloud_account_list": 8,
    "portal:cloud_account_create": 8,
    "portal:cloud_account_detail": 15,
    "portal:cloud_account_edit": 7,
    "portal:cloud_account_delete": 8,
    "portal:instance_type_create": 7,
    "portal:instance_type_remove": 8,
    "portal:security": 9,
    "portal:session_end_others": 5,
    "portal:customer_sign_in": 8,
    "portal:two_factor_edit": 7,
    "portal:group_mapping_create": 9,
    "portal:group_mapping_delete": 9,
    "backups:sandbox_detail": 11,
    "backups:sandbox_publish": 13,
    "backups:utility_server_list": 8,
    "backups:utility_server_detail": 9,
    "backups:backup_create": 11,
    "backups:backup_policy_edit": 14,
    "backups:backup_restore": 15,
    "backups:backup_delete": 14,
    "backups:backup_mark_master_image": 13,
    "volumes:volume_list": 9,
    "volumes:volume_backup_list": 9,
    "volumes:volume_backup_menu": 8,
    "volumes:volume_backup_restore": 12,
    "volumes:volume_backup_delete": 10,
    "volumes:volume_policy_edit": 7,
    "volumes:volume_backup_create": 8,
    "volumes:volume_backup_all": 6,
    "volumes:volume_detail": 9,
    "volumes:volume_card": 5,
    "volumes:volume_menu": 8,
    "disaster_recovery:recovery_overview": 26,
    "disaster_recovery:recovery_settings": 18,
    "disaster_recovery:reconciliation": 10,
    "disaster_recovery:discrepancy_settle": 6,
    "disaster_recovery:recovery_disable": 6,
    "disaster_recovery:backup_replicate": 8,
    "disaster_recovery:volumes_replicate": 5,
    "disaster_recovery:volume_backup_replicate": 8,
    "reporting:overview": 20,
    "reporting:task_list": 9,
    "reporting:task_detail": 6,
    "reporting:task_cancel": 6,
    "reporting:task_retry": 6,
    "reporting:notification_list": 7,
    "reporting:alert_list": 7,
    "reporting:alert_create": 5,
    "reporting:alert_detail": 7,
    "reporting:alert_edit": 6,
    "reporting:alert_delete": 6,
    "reporting:audit_list": 10,
    "reporting:api_key_list": 9,
    "reporting:api_key_create": 6,
    "reporting:api_key_revoke": 7,
    "reporting:organization_api_key_list": 9,
    "reporting:organization_api_key_create": 8,
    "reporting:organization_api_key_revoke": 9,
    "reporting:customer_api_key_list": 9,
    "reporting:customer_api_key_create": 8,
    "reporting:customer_api_key_revoke": 9,
    "reporting:session_list": 8,
    "reporting:session_log_list": 9,
    "reporting:session_log_detail": 8,
    "reporting:report_list": 8,
    "reporting:analytics_detail": 10,
    "reporting:cloud_account_task": 7,
    "reporting:cloud_account_task_cancel": 7,
}


@pytest.fixture
def collected(tmp_path: Path, settings: LazySettings) -> Iterator[Path]:
    """Static files as they are deployed, those of our pages: hashed names, compressed."""
    htmx = Path(django_htmx.__file__).parent / "static" / "django_htmx"
    settings.STATICFILES_FINDERS = ["django.contrib.staticfiles.finders.FileSystemFinder"]
    settings.STATICFILES_DIRS = [*settings.STATICFILES_DIRS, ("django_htmx", htmx)]
    settings.STATIC_ROOT = tmp_path / "static"
    settings.STORAGES = settings.STORAGES | {
        "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"}
    }
    not_used = ["*-4.*", "htmx-2.js", "django-htmx.js"]
    call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=not_used)
    _forget_names()
    yield tmp_path / "static"
    _forget_names()


def _forget_names() -> None:
    """Icons are made once, with the name of their file as it was."""
    for made_once in (ui.icon, ui._opening, ui.said, ui.type_mark):
        made_once.cache_clear()


def _costs(things: Things, visitor: Visitor) -> dict[str, Cost]:
    """What each page costs, by its name; what is no page is left out."""
    costs = {
        address.name: visitor.cost_of(things.path(address))
        for address in ours()
        if address.name not in NOT_SMALL
    }
    return {name: cost for name, cost in costs.items() if cost.is_page}


def test_every_page_costs_what_it_may_however_much_there_is(
    world: World, customer_admin: User, sign_in: SignIn, collected: Path
) -> None:
    things, visitor = make_things(world), Visitor(sign_in(customer_admin))
    visitor.client.get(reverse("reporting:overview", args=[world.account.pk]))
    fill(world, range(3))
    few = _costs(things, visitor)
    fill(world, range(3, 300))
    many = _costs(things, visitor)
    assert {name: cost.queries for name, cost in many.items()} == QUERIES
    for name, cost in few.items():
        # A list that fits on a page need not be counted.
        assert QUERIES[name] - cost.queries in {0, 1}, name
    for name, cost in many.items():
        assert cost.bytes <= FIRST_LOAD_BYTES, f"{name}: {cost.bytes} bytes at first load"
        assert cost.requests <= REQUESTS, f"{name}: {cost.requests} requests"


def test_static_files_are_kept_for_good_and_pages_by_nobody(
    world: World, customer_admin: User, sign_in: SignIn, collected: Path
) -> None:
    visitor = Visitor(sign_in(customer_admin))
    path = reverse("reporting:overview", args=[world.account.pk])
    page = visitor.client.get(path, headers=ACCEPTED)
    assert page["Cache-Control"] == "private, no-store"
    assert page["Content-Encoding"] == "gzip"
    assert {"Accept-Encoding", "Cookie", "HX-Request"} <= set(page["Vary"].split(", "))
    visitor.cost_of(path)
    assert len(visitor.assets) == REQUESTS - 1
    for address, asset in visitor.assets.items():
        assert asset.headers["Cache-Control"] == "max-age=315360000, public, immutable", address
        assert asset.headers["Vary"] == "Accept-Encoding", address
        assert asset.headers["Content-Encoding"] == "br", address
        again = {"If-None-Match": asset.headers["ETag"]}
        assert visitor.client.get(address, headers=ACCEPTED | again).status_code == 304


def test_a_page_is_one_redirect_away_at_most(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    client, things = sign_in(customer_admin), make_things(world)
    for address in ours():
        answer = client.get(things.path(address), follow=True)
        chain = answer.redirect_chain
        # Nothing leads to the address of a poll; who types it goes home, and from there on.
        assert len(chain) <= (2 if address.name == "portal:live" else 1), f"{address}: {chain}"
        if chain:
            assert answer.status_code == 200, f"{address}: {chain}"


def test_what_a_page_polls_is_small_and_ends(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    client = sign_in(customer_admin)
    running = TaskFactory.create_batch(20, account=world.account, state=Task.State.RUNNING)
    path, parts = reverse("portal:account_live", args=[world.account.pk]), [
        f"row:{task.pk}" for task in running
    ]  # fmt: skip
    asked = ACCEPTED | {"HX-Request": "true"}
    moving = client.get(path, {"part": parts}, headers=asked)
    assert len(moving.content) <= POLL_BYTES
    assert "every 2s" in text_of(moving)
    Task.objects.update(state=Task.State.DONE)
    assert "every 2s" not in text_of(client.get(path, {"part": parts}, headers=asked))


def test_a_file_is_sent_as_the_database_writes_it(
    world: World, customer_admin: User, sign_in: SignIn
) -> None:
    path = reverse("reporting:report_export", args=[world.account.pk, "sessions"])
    answer = sign_in(customer_admin).get(path, headers=ACCEPTED)
    assert "Content-Encoding" not in answer
    assert answer.getvalue().startswith(b"period_start")
