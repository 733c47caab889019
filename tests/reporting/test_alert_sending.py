"""Alerts on their way out: nothing lost, nothing doubled, tried for a day, and never a loop."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core import mail
from django.db import transaction
from django.test import override_settings
from django.utils import timezone
from django_q.models import OrmQ

from portal.engine import clock
from portal.engine.ticks import run_ticks
from portal.models import Account, Notification
from portal.notify import Kind, Level, tell
from portal.secret_field import Secrets
from reporting import alert_channels, alert_sending
from reporting.alert_channels import signature
from reporting.models import AlertDelivery, AlertItem, AlertRule
from tests.clock import JumpClock
from tests.factories import TaskFactory
from tests.people import World
from tests.reporting.receiver import Receiver, receiving

State = AlertDelivery.State
SECRET = "a secret that signs"
MakeRule = Callable[..., AlertRule]


@pytest.fixture
def make_rule(world: World) -> MakeRule:
    """Return what makes a rule: by mail, at once, of warnings and errors, unless told otherwise."""

    def make(account: Account | None = None, **facts: Any) -> AlertRule:
        given: dict[str, Any] = {
            "name": f"Rule {uuid.uuid4()}",
            "recipients": ["ops@example.org"],
            "portal_url": "https://portal.example/",
        }
        if facts.get("timing") == "daily":
            given["next_digest_at"] = timezone.now() + timedelta(hours=1)
        return AlertRule.objects.create(account=account or world.account, **(given | facts))

    return make


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def by_webhook(make_rule: MakeRule, receiver: Receiver) -> AlertRule:
    return make_rule(channel="webhook", url=receiver.url, secret=Secrets(secret=SECRET))


@pytest.fixture
def jump() -> Iterator[JumpClock]:
    jumping = JumpClock()
    with clock.using(jumping):
        yield jumping


def _tell(account: Account, title: str = "It failed", level: str = "error", **more: Any) -> None:
    tell(account, level, title, "The reason.", **({"kind": Kind.BACKUP} | more))


# Noting


@pytest.mark.parametrize(
    ("lowest", "kinds", "wanted"),
    [
        ("info", [], {"info", "warning", "error"}),
        ("warning", [], {"warning", "error"}),
        ("error", [], {"error"}),
        ("info", ["backup", "session"], {"info", "warning", "error"}),
        ("info", ["session"], set()),
    ],
)
def test_a_rule_takes_what_it_is_about(
    lowest: str, kinds: list[str], wanted: set[str], world: World, make_rule: MakeRule
) -> None:
    make_rule(lowest_level=lowest, kinds=kinds)
    for level in Level.values:
        _tell(world.account, level, level)
    assert set(AlertItem.objects.values_list("title", flat=True)) == wanted


def test_only_the_accounts_own_rules_that_are_not_paused_take_it(
    world: World, elsewhere: World, make_rule: MakeRule
) -> None:
    mine = make_rule()
    make_rule(is_paused=True)
    make_rule(account=elsewhere.account)
    _tell(world.account)
    assert list(AlertItem.objects.values_list("rule", flat=True)) == [mine.pk]


def test_what_is_told_again_by_a_task_leaves_once(world: World, make_rule: MakeRule) -> None:
    make_rule()
    task = TaskFactory(account=world.account, resource=world.sandbox)
    for _ in range(2):
        _tell(world.account, task=task)
    alert_sending.run()
    assert len(mail.outbox) == 1


def test_a_notification_that_is_rolled_back_leaves_nothing(
    world: World, make_rule: MakeRule
) -> None:
    make_rule()
    with transaction.atomic():
        _tell(world.account)
        transaction.set_rollback(True)
    assert not AlertItem.objects.exists()
    assert not OrmQ.objects.exists()


def test_a_secret_that_cannot_be_read_does_not_fail_what_is_told(
    world: World, by_webhook: AlertRule
) -> None:
    with override_settings(SECRETS_KEYS=["0" * 43 + "="]):
        _tell(world.account)
    assert AlertItem.objects.count() == 1


# By mail


def test_a_mail_says_what_happened_to_what_and_what_to_do_next(
    world: World, make_rule: MakeRule
) -> None:
    make_rule(name="On call", recipients=["ops@example.org", "boss@example.org"])
    task = TaskFactory(account=world.account, resource=world.sandbox)
    _tell(world.account, "Backup of\r\nBcc: x@example.org failed", task=task)
    Notification.objects.update(created_at=datetime(2026, 7, 1, 12, 0, tzinfo=UTC))
    AlertItem.objects.update(told_at=datetime(2026, 7, 1, 12, 0, tzinfo=UTC))
    alert_sending.run()
    (sent,) = mail.outbox
    assert sent.to == ["ops@example.org", "boss@example.org"]
    expected = "[Standby] Meridian account: Backup of Bcc: x@example.org failed"
    assert sent.subject == expected
    assert sent.extra_headers["Message-ID"].startswith("<standby-")
    for line in (
        "ERROR: Backup of",
        "The reason.",
        "About: meridian-sandbox",
        "When: 1 Jul 2026, 13:00, Europe/London",
        f"https://portal.example/accounts/{world.account.pk}/tasks/{task.pk}/",
        "account Meridian account of Meridian organization. Rule “On call”.",
    ):
        assert line in sent.body
    delivery = AlertDelivery.objects.get()
    assert delivery.state == State.SENT
    assert delivery.sent_to == "ops@example.org, boss@example.org"
    assert delivery.attempts == 1


def test_a_storm_is_one_mail_and_the_worst_comes_first(world: World, make_rule: MakeRule) -> None:
    make_rule(lowest_level="info")
    for number in range(150):
        _tell(world.account, f"Backup {number} failed", "warning")
    _tell(world.account, "The last and worst")
    alert_sending.run()
    (sent,) = mail.outbox
    assert "151 notifications, 1 error" in sent.subject
    assert sent.body.startswith("ERROR: The last and worst")
    assert "And 51 more" in sent.body


@override_settings(
    EMAIL_BACKEND="django.core.mail.backends.smtp.EmailBackend",
    EMAIL_HOST="127.0.0.1",
    EMAIL_PORT=1,
)
def test_a_mail_server_that_is_down_is_said_in_plain_words(
    world: World, make_rule: MakeRule
) -> None:
    make_rule()
    _tell(world.account)
    alert_sending.run()
    delivery = AlertDelivery.objects.get()
    assert delivery.state == State.WAITING
    assert delivery.last_error == "The mail server did not answer."


# Digests


def test_a_digest_waits_for_its_time_and_holds_all_since_the_last(
    world: World, make_rule: MakeRule, jump: JumpClock
) -> None:
    rule = make_rule(timing="daily", next_digest_at=jump.now() + timedelta(hours=1))
    _tell(world.account, "One")
    _tell(world.account, "Two")
    alert_sending.run()
    assert mail.outbox == []
    jump.advance(3601)
    for _ in range(2):
        alert_sending.run()
    (sent,) = mail.outbox
    assert "One" in sent.body
    assert "Two" in sent.body
    rule.refresh_from_db()
    jump.advance(86400)
    alert_sending.run()
    assert len(mail.outbox) == 1, "nothing happened, so nothing is sent"


def test_a_digest_is_at_its_time_in_the_accounts_zone_in_summer_too(
    world: World, make_rule: MakeRule
) -> None:
    rule = make_rule(timing="daily", digest_time=time(8))
    winter = datetime(2026, 3, 28, 9, 0, tzinfo=UTC)
    assert alert_sending.next_digest(rule, winter) == datetime(2026, 3, 29, 7, 0, tzinfo=UTC)
    assert alert_sending.next_digest(rule, datetime(2026, 1, 5, 7, 59, tzinfo=UTC)) == datetime(
        2026, 1, 5, 8, 0, tzinfo=UTC
    )


# By webhook


def test_a_webhook_is_signed_over_time_and_body(
    world: World, by_webhook: AlertRule, receiver: Receiver
) -> None:
    task = TaskFactory(account=world.account, resource=world.sandbox)
    _tell(world.account, "Backup of ünit failed", task=task)
    alert_sending.run()
    ((headers, body),) = receiver.came
    at = int(headers["X-Standby-Timestamp"])
    assert abs(at - timezone.now().timestamp()) < 60
    assert headers["X-Standby-Signature"] == signature(SECRET, at, body)
    delivery = AlertDelivery.objects.get()
    assert headers["X-Standby-Delivery"] == str(delivery.pk)
    said = json.loads(body)
    assert said["delivery"] == str(delivery.pk)
    (told,) = said["notifications"]
    assert told["title"] == "Backup of ünit failed"
    assert (told["kind"], told["level"], told["entity"]) == ("backup", "error", "meridian-sandbox")
    assert told["task"].startswith("https://portal.example/accounts/")
    assert SECRET not in body.decode()


def test_the_signature_is_the_one_that_is_documented() -> None:
    # printf '1700000000.{}' | openssl dgst -sha256 -hmac key
    expected = "9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae"
    assert signature("key", 1700000000, b"{}") == expected


@pytest.mark.parametrize(
    ("status", "headers", "said"),
    [
        (500, {}, "127.0.0.1 answered 500."),
        (404, {}, "127.0.0.1 answered 404."),
        (302, {"Location": "http://169.254.169.254/"}, "a redirect; those are not followed"),
    ],
)
def test_what_did_not_arrive_is_sent_again_under_the_same_id(
    status: int, headers: dict[str, str], said: str,
    world: World, by_webhook: AlertRule, receiver: Receiver, jump: JumpClock,
) -> None:  # fmt: skip
    receiver.status, receiver.headers = status, headers
    _tell(world.account)
    alert_sending.run()
    delivery = AlertDelivery.objects.get()
    assert said in delivery.last_error
    assert delivery.next_attempt_at == jump.now() + timedelta(minutes=1)
    alert_sending.run()
    assert len(receiver.came) == 1, "not before its time"
    receiver.status = 200
    jump.advance(60)
    alert_sending.run()
    delivery.refresh_from_db()
    assert (delivery.state, delivery.attempts, delivery.last_error) == (State.SENT, 2, "")
    ids = {headers["X-Standby-Delivery"] for headers, _ in receiver.came}
    assert ids == {str(delivery.pk)}


def test_pauses_double_up_to_two_hours() -> None:
    minutes = [alert_sending.pause_after(n).total_seconds() / 60 for n in (1, 2, 3, 7, 8, 400)]
    assert minutes == [1, 2, 4, 64, 120, 120]


def test_a_day_of_attempts_ends_in_one_notification_that_stays_inside(
    world: World, by_webhook: AlertRule, make_rule: MakeRule, receiver: Receiver, jump: JumpClock
) -> None:
    make_rule(lowest_level="info", kinds=[])
    receiver.status = 503
    _tell(world.account)
    for pause in (*[60 * 2**n for n in range(7)], *[7200] * 20):
        alert_sending.run()
        jump.advance(pause)
    delivery = by_webhook.deliveries.get()
    assert delivery.state == State.FAILED
    assert delivery.last_error == "127.0.0.1 answered 503."
    assert 17 <= delivery.attempts <= 20
    (told,) = Notification.objects.filter(kind=Kind.ALERT)
    assert "do not arrive" in told.title
    assert AlertItem.objects.filter(notification_id=told.pk).count() == 0
    assert len(mail.outbox) == 1, "the other rule sent the first notification, and no more"


def test_while_a_receiver_is_down_what_is_new_is_kept_for_one_delivery(
    world: World, by_webhook: AlertRule, receiver: Receiver, jump: JumpClock
) -> None:
    receiver.status = 503
    for number in range(8):
        _tell(world.account, f"Number {number}")
        alert_sending.run()
        jump.advance(1)
    assert by_webhook.deliveries.count() == alert_sending.MOST_TRIED
    receiver.status = 200
    for _ in range(2):
        jump.advance(7200)
        alert_sending.run()
    sent = [n["title"] for _, body in receiver.came for n in json.loads(body)["notifications"]]
    assert set(sent) == {f"Number {number}" for number in range(8)}
    assert not AlertDelivery.objects.exclude(state=State.SENT).exists()


def test_one_worker_sends_what_two_look_at(
    world: World, by_webhook: AlertRule, receiver: Receiver
) -> None:
    _tell(world.account)
    now = timezone.now()
    alert_sending.gather(now)
    assert len(alert_sending.claim(now)) == 1
    assert alert_sending.claim(now) == []


def test_a_worker_that_died_while_it_sent_is_followed_by_another(
    world: World, by_webhook: AlertRule, receiver: Receiver, jump: JumpClock
) -> None:
    _tell(world.account)
    alert_sending.gather(jump.now())
    (lost,) = alert_sending.claim(jump.now())
    alert_sending.message_for(lost).send(1)  # type: ignore[call-arg]  # sent, but not written down
    jump.advance(alert_sending.CLAIM.total_seconds() + 1)
    alert_sending.run()
    assert len(receiver.came) == 2
    assert len({headers["X-Standby-Delivery"] for headers, _ in receiver.came}) == 1
    alert_sending.settle(lost, "too late", jump.now())
    delivery = AlertDelivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.last_error) == (State.SENT, 2, "")


def test_a_delivery_that_kills_every_worker_is_given_up_too(
    world: World, by_webhook: AlertRule, jump: JumpClock
) -> None:
    _tell(world.account)
    alert_sending.gather(jump.now())
    alert_sending.claim(jump.now())
    jump.advance(86401)
    alert_sending.give_up_old(jump.now())
    assert AlertDelivery.objects.get().state == State.FAILED


# Where it really goes


@override_settings(ALLOW_LOOPBACK_CLOUDS=False)
def test_a_name_that_stands_for_a_machine_of_ours_gets_nothing(
    world: World, by_webhook: AlertRule, receiver: Receiver
) -> None:
    # Saved while the name stood for something else.
    AlertRule.objects.update(url=receiver.url.replace("127.0.0.1", "localhost"))
    _tell(world.account)
    alert_sending.run()
    assert receiver.came == []
    said = AlertDelivery.objects.get().last_error
    assert "localhost stands for 127.0.0.1, which is this machine (loopback)" in said


def test_a_certificate_that_nobody_vouches_for_is_not_talked_to(
    world: World, make_rule: MakeRule, tmp_path: Path
) -> None:
    import ssl

    import trustme

    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    known = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(known)
    with receiving(tls) as found:
        make_rule(channel="webhook", url=found.url, secret=Secrets(secret=SECRET))
        _tell(world.account)
        alert_sending.run()
        delivery = AlertDelivery.objects.get()
        assert found.came == []
        assert delivery.last_error == "127.0.0.1 has a certificate that is not trusted."
        AlertDelivery.objects.update(next_attempt_at=timezone.now())
        with override_settings(WEBHOOK_CA_FILE=str(known)):
            alert_sending.run()
        assert len(found.came) == 1


def test_a_receiver_that_never_ends_its_answer_is_cut_off(
    receiver: Receiver,
) -> None:
    receiver.drips = True
    hook = alert_channels.Webhook("d-1", receiver.url, SECRET, {}, seconds=0.2)
    with pytest.raises(alert_channels.NotDelivered, match="did not answer in time"):
        hook.send(1)
    assert receiver.ended.wait(5), "the receiver sees that it was cut off"


def test_a_webhook_does_not_print_its_secret() -> None:
    assert SECRET not in repr(alert_channels.Webhook("d-1", "https://x.example", SECRET, {}))


# By the clock


def test_the_minute_wakes_a_sender_only_when_something_is_due(
    world: World, make_rule: MakeRule, jump: JumpClock
) -> None:
    make_rule()
    make_rule(timing="daily", next_digest_at=jump.now() + timedelta(hours=1))
    alert_sending.sweep()
    assert not OrmQ.objects.exists()
    jump.advance(3601)
    alert_sending.sweep()
    assert OrmQ.objects.count() == 1


def test_a_lost_wake_is_found_by_the_minute(world: World, make_rule: MakeRule) -> None:
    make_rule()
    _tell(world.account)
    OrmQ.objects.all().delete()
    run_ticks()
    tasks = [each.task["func"] for each in OrmQ.objects.all()]
    assert alert_sending.WAKE in tasks


def test_old_deliveries_are_forgotten_and_what_waits_is_not(
    world: World, make_rule: MakeRule
) -> None:
    rule = make_rule()
    now = timezone.now()
    old = now - alert_sending.KEPT - timedelta(seconds=1)
    gone = rule.deliveries.create(state=State.SENT, created_at=old, next_attempt_at=None)
    rule.deliveries.create(created_at=old)
    kept = now - alert_sending.KEPT + timedelta(seconds=1)
    rule.deliveries.create(state=State.SENT, created_at=kept, next_attempt_at=None)
    AlertItem.objects.create(
        rule_id=uuid.uuid4(),
        notification_id=uuid.uuid4(),
        level="info",
        title="Orphan",
        told_at=old,
    )
    alert_sending.prune(now)
    assert not AlertDelivery.objects.filter(pk=gone.pk).exists()
    assert AlertDelivery.objects.count() == 2
    assert not AlertItem.objects.exists()


def test_a_rule_costs_what_is_told_a_fixed_number_of_queries(
    world: World, make_rule: MakeRule, django_assert_max_num_queries: Any
) -> None:
    for _ in range(5):
        make_rule()
    with django_assert_max_num_queries(7):  # two of them a savepoint
        _tell(world.account)
