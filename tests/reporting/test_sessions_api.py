"""What a session broker may tell: who it is, what it says, told twice, in any order, or wrong."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import get_resolver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from portal.audit import SYSTEM
from portal.engine import clock
from portal.models import Account, AuditEntry, Resource, Task
from reporting import api_keys, sessions
from reporting.models import ApiKey, DataAvailability, DataType, Session, SessionEvent, Wait
from reporting.models.api_keys import SESSION_BROKER
from tests.clock import JumpClock
from tests.factories import ResourceFactory, TaskFactory
from tests.people import World

pytestmark = pytest.mark.django_db
EVENTS, ATTACH = "/api/v1/sessions/events", "/api/v1/sessions/attach"
# What lies far back is refused.
MONDAY = (datetime.now(UTC) - timedelta(days=7)).replace(microsecond=0)
Post = Callable[..., Any]


@pytest.fixture
def token(world: World) -> str:
    _, token = api_keys.create(SYSTEM, world.account, name="Broker", role=SESSION_BROKER)
    return token


@pytest.fixture
def post(token: str) -> Post:
    client = Client(enforce_csrf_checks=True)

    def send(body: Any, path: str = EVENTS, **headers: str) -> Any:
        headers = headers or {"Authorization": f"Bearer {token}"}
        text = body if isinstance(body, str) else json.dumps(body)
        return client.post(path, text, content_type="application/json", headers=headers)

    return send


def event(account: Account, type_: str = "started", **more: Any) -> dict[str, Any]:
    given: dict[str, Any] = {
        "event_id": uuid4().hex,
        "type": type_,
        "account": str(account.pk),
        "session_id": "s-1",
        "occurred_at": MONDAY.isoformat(),
        "user": {"name": "sofia@meridian.example", "first_name": "Sofia"},
        "machine": {"name": "pd-0388"},
        "pool": "radiology",
        "client": {"ip": "192.0.2.7", "os": "Windows 11", "distance_km": 12.5},
    }
    if type_ == "closed":
        given["close_reason"] = "logged_out"
    return given | more


def batch(*events: dict[str, Any]) -> dict[str, Any]:
    return {"events": list(events)}


def test_a_session_is_what_its_events_tell(world: World, post: Post) -> None:
    desktop = ResourceFactory(
        account=world.account, kind="persistent_desktop", name="pd-0388", user_name="sofia"
    )
    later = (MONDAY + timedelta(hours=2)).isoformat()
    answer = post(batch(event(world.account), event(world.account, "closed", occurred_at=later)))
    assert answer.status_code == 200
    assert [each["status"] for each in answer.json()["outcomes"]] == ["accepted", "accepted"]
    session = Session.objects.get()
    assert (session.state, session.close_reason) == ("closed", "logged_out")
    assert (session.started_at, session.ended_at) == (MONDAY, MONDAY + timedelta(hours=2))
    assert (session.resource, session.client_ip, session.pool) == (
        desktop,
        "192.0.2.7",
        "radiology",
    )
    # It was not told, but the machine is known.
    assert session.instance_type == "AHV 4 vCPU · 16 GB"


def test_told_twice_is_recorded_once(world: World, post: Post) -> None:
    first = event(world.account)
    post(batch(first))
    answer = post(batch(first, first))
    assert [each["status"] for each in answer.json()["outcomes"]] == ["duplicate"] * 2
    assert SessionEvent.objects.count() == 1


def _told(types: tuple[str, ...], account: Account) -> list[sessions.Event]:
    return [
        sessions.Event(
            event_id=f"e-{n}", account=account.pk, session_id="s-1", type=type_,
            occurred_at=MONDAY + timedelta(minutes=n), user_name="sofia",
            close_reason="inactivity" if type_ == "closed" else "",
        )
        for n, type_ in enumerate(types)
    ]  # fmt: skip


@given(
    types=st.lists(
        st.sampled_from(["started", "disconnected", "reconnected", "closed"]),
        min_size=1,
        max_size=4,
    )
)
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_the_order_in_which_events_arrive_is_of_no_account(world: World, types: list[str]) -> None:
    found = set()
    for told in itertools.permutations(_told(tuple(types), world.account)):
        Session.objects.all().delete()
        for each in told:
            sessions.take_in({world.account.pk: world.account}, [each])
        found.add(
            Session.objects.values_list("state", "started_at", "ended_at", "close_reason").get()
        )
    assert len(found) == 1


def test_a_key_is_needed_and_reaches_its_own_scope_alone(
    world: World, elsewhere: World, post: Post, token: str
) -> None:
    body = batch(event(world.account))
    for headers in ({"X-Nothing": "1"}, {"Authorization": "Bearer wrong"},
                    {"Authorization": f"Bearer {token}x"}):  # fmt: skip
        answer = post(body, **headers)
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")
    (outcome,) = post(batch(event(elsewhere.account))).json()["outcomes"]
    assert outcome["status"] == "rejected"
    assert "does not reach" in outcome["problem"]
    assert not Session.objects.exists()


def test_a_revoked_key_and_one_of_another_role_are_refused(
    world: World, post: Post, token: str
) -> None:
    _, auditor = api_keys.create(SYSTEM, world.account, name="Reader", role="auditor")
    answer = post(batch(event(world.account)), Authorization=f"Bearer {auditor}")
    assert answer.status_code == 403
    assert "Customer Auditor" in answer.json()["message"]
    api_keys.revoke(SYSTEM, ApiKey.objects.get(name="Broker"))
    assert post(batch(event(world.account))).status_code == 401


def _signed(key: ApiKey, secret: str, at: datetime) -> dict[str, str]:
    stamp = str(int(at.timestamp()))
    return {
        "X-Frame-ClientId": str(key.pk),
        "X-Frame-Timestamp": stamp,
        "X-Frame-Signature": api_keys.signature(secret, stamp, str(key.pk)),
    }


def test_requests_can_be_signed_and_are_good_for_minutes(world: World, post: Post) -> None:
    key, secret = api_keys.create(
        SYSTEM, world.organization, name="Signer", role=SESSION_BROKER, manner="signed"
    )
    body, now = batch(event(world.account)), clock.now()
    assert post(body, **_signed(key, secret, now)).status_code == 200
    for headers in (
        _signed(key, "another secret", now),
        _signed(key, secret, now - timedelta(minutes=6)),
        _signed(key, secret, now + timedelta(minutes=6)),
        _signed(key, secret, now) | {"X-Frame-Timestamp": "٣"},
        _signed(key, secret, now) | {"X-Frame-Signature": "é"},
        _signed(key, secret, now) | {"X-Frame-ClientId": "no-id"},
        {"Authorization": f"Bearer {key.pk.hex}.{secret}"},
    ):
        assert post(body, **headers).status_code == 401
    key.refresh_from_db()
    assert key.last_used_at is not None


def test_a_secret_is_kept_where_nobody_reads_it(world: World, token: str) -> None:
    key = ApiKey.objects.get()
    assert token.rpartition(".")[2] not in f"{key.secret_hash} {dict(key.secret)}"
    entry = AuditEntry.objects.get(action="api_key.create")
    assert token.rpartition(".")[2] not in json.dumps(entry.detail)


def test_keys_are_made_and_revoked_at_the_command_line(
    world: World, post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    call_command("create_api_key", account=str(world.account.pk), name="Lab", role=SESSION_BROKER)
    token = capsys.readouterr().out.split("Bearer token: ")[1].split()[0]
    headers = {"Authorization": f"Bearer {token}"}
    assert post(batch(event(world.account)), **headers).status_code == 200
    call_command("revoke_api_key", str(ApiKey.objects.get(name="Lab").pk))
    assert post(batch(event(world.account)), **headers).status_code == 401
    with pytest.raises(CommandError, match="no account"):
        call_command("create_api_key", account=str(uuid4()), name="X", role=SESSION_BROKER)
    with pytest.raises(CommandError, match="no key"):
        call_command("revoke_api_key", "nonsense")


@pytest.mark.parametrize(
    ("field", "change"),
    [
        ("events.0.type", {"type": "exploded"}),
        ("events.0.occurred_at", {"occurred_at": "2026-03-02T09:00:00"}),
        ("events.0.account", {"account": "not-an-id"}),
        ("events.0.session_id", {"session_id": ""}),
        ("events.0.session_id", {"session_id": "s" * 101}),
        ("events.0.session_id", {"session_id": "nul\x00"}),
        ("events.0.user.name", {"user": {"name": "  "}}),
        ("events.0.user.shoe_size", {"user": {"name": "sofia", "shoe_size": 39}}),
        ("events.0.client.distance_km", {"client": {"distance_km": -1}}),
        ("events.0.event_id", {"event_id": 7}),
        ("events.0", {"type": "closed"}),
        ("events.0", {"close_reason": "logged_out"}),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_recorded(
    world: World, post: Post, field: str, change: dict[str, Any]
) -> None:
    good = event(world.account, event_id="good")
    answer = post(batch({**event(world.account), **change}, good))
    assert answer.status_code == 422
    named = [each["field"].removeprefix("body.") for each in answer.json()["fields"]]
    assert field in named, named
    assert not Session.objects.exists()


def test_what_is_no_json_or_too_much_is_refused(world: World, post: Post) -> None:
    assert post("{").status_code in {400, 422}
    assert post("[]").status_code == 422
    assert post(batch()).status_code == 422
    assert post(batch(*[event(world.account)] * 501)).status_code == 422
    assert post(" " * 3_000_000).status_code == 413


def test_what_lies_in_the_future_is_rejected(world: World, post: Post) -> None:
    ahead = (clock.now() + timedelta(hours=1)).isoformat()
    (outcome,) = post(batch(event(world.account, occurred_at=ahead))).json()["outcomes"]
    assert "future" in outcome["problem"]


@pytest.mark.usefixtures("periods")
def test_what_may_be_purged_by_now_is_not_told_anew(world: World, post: Post) -> None:
    """A month is what Session Logs are kept: events of what ended before it may be gone."""
    now = datetime(2026, 3, 31, 12, tzinfo=UTC)
    cutoff = datetime(2026, 2, 28, 12, tzinfo=UTC)
    at = JumpClock()

    def told(when: datetime, now: datetime, **more: Any) -> Any:
        at.time = now
        with clock.using(at):
            given = event(world.account, occurred_at=when.isoformat(), **more)
            return post(batch(given)).json()["outcomes"][0]

    second = timedelta(seconds=1)
    outcome = told(cutoff - second, now)
    assert outcome["status"] == "rejected"
    assert outcome["problem"] == (
        "occurred_at is too long ago: events are kept from 2026-02-28 12:00 UTC on."
    )
    assert not Session.objects.exists()
    assert told(cutoff, now)["status"] == "accepted"
    closed = {"type": "closed", "close_reason": "inactivity"}
    assert told(cutoff + second, now, **closed)["status"] == "accepted"
    session = Session.objects.get()
    SessionEvent.objects.all().delete()
    outcome = told(now, now + 2 * second, type="reconnected")
    assert outcome["status"] == "rejected"
    assert "The session ended before 2026-02-28 12:00 UTC" in outcome["problem"]
    session.refresh_from_db()
    assert (session.state, session.ended_at) == ("closed", cutoff + second)
    assert not SessionEvent.objects.exists()


@pytest.mark.usefixtures("periods")
def test_a_shorter_session_trail_ends_what_is_taken_in_too(world: World, post: Post) -> None:
    DataAvailability.objects.filter(pk=DataType.SESSION_LOGS).update(months=None)
    old = datetime.now(UTC) - timedelta(days=63)
    (outcome,) = post(batch(event(world.account, occurred_at=old.isoformat()))).json()["outcomes"]
    assert outcome["status"] == "rejected"
    later = datetime.now(UTC) - timedelta(days=50)
    (outcome,) = post(batch(event(world.account, occurred_at=later.isoformat()))).json()["outcomes"]
    assert outcome["status"] == "accepted"


def test_a_returning_user_is_told_why_and_how_long_and_the_wait_is_recorded(
    world: World, post: Post
) -> None:
    asked = {"account": str(world.account.pk), "user": "sofia"}
    assert post(asked, ATTACH).json()["is_free"]
    profile = ResourceFactory(
        account=world.account, kind="enterprise_profile", name="EP", user_name="sofia"
    )
    task = TaskFactory(
        account=world.account, resource=profile, is_exclusive=True, state="running",
        kind="create_volume_backup_after_session", args={"type": "D"},
    )  # fmt: skip
    answer = post(asked, ATTACH).json()
    assert not answer["is_free"]
    assert answer["reason"] == "EP is busy: it is being backed up after the last session."
    assert answer["expected_seconds"] > 0
    post(asked, ATTACH)
    wait = Wait.objects.get()
    assert (wait.user_name, wait.task, wait.free_at) == ("sofia", task, None)
    Resource.objects.filter(pk=profile.pk).update(user_name="sofia")
    task.state = Task.State.DONE
    task.save()
    assert post(asked, ATTACH).json()["is_free"]
    wait.refresh_from_db()
    assert wait.free_at is not None


def test_strangers_accounts_cannot_be_asked_about(
    world: World, elsewhere: World, post: Post
) -> None:
    asked = {"account": str(elsewhere.account.pk), "user": "sofia"}
    assert post(asked, ATTACH).status_code == 404


def test_every_address_of_the_api_needs_a_key(world: World, post: Post) -> None:
    found = [p for p in get_resolver().reverse_dict if isinstance(p, str)]
    assert not [name for name in found if name.startswith("api")]
    for path in (EVENTS, ATTACH, "/api/v1/sessions/capacity"):
        assert post({}, path, **{"X-Nothing": "1"}).status_code == 401
        assert Client().get(path).status_code == 405
    assert Client().get("/api/v1/").status_code == 404
