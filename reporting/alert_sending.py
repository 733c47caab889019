"""Alerts on their way out: noted with the notification, gathered, and sent until they arrive.

Nothing is lost: an item is written in the transaction of its notification, once by each rule.
Gathering binds a rule's items into one delivery, so that a storm is one mail. A worker claims
deliveries by a conditional UPDATE; one that is killed while it sends is followed by another,
which sends again under the same id.
"""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from time import monotonic
from typing import Any

import structlog
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django_q.tasks import async_task

from backups.schedule import Schedule
from portal.engine import clock
from portal.engine.ticks import every_minute
from portal.models import Notification
from portal.notify import Kind, Level, after_telling, tell
from reporting.alert_channels import Mail, NotDelivered, Webhook
from reporting.alert_words import message_of
from reporting.models import AlertDelivery, AlertItem, AlertRule, OverdueRun

log = structlog.get_logger(__name__)

State, Timing = AlertDelivery.State, AlertRule.Timing

WAKE = "reporting.alert_sending.run"
# Well below the queue's timeout.
RUN_SECONDS = 30
# Longer than one attempt can take.
CLAIM = timedelta(seconds=120)
BATCH, THREADS = 16, 8
GIVE_UP = timedelta(hours=24)
# A person waits for a test.
GIVE_UP_TEST = timedelta(minutes=10)
FIRST_PAUSE, LONGEST_PAUSE = timedelta(minutes=1), timedelta(hours=2)
# While so many of a rule are tried again, what is new is kept for one mail.
MOST_TRIED = 3
KEPT = timedelta(days=30)


# Noting


@after_telling
def note(notification: Notification) -> None:
    """Write down for each rule that wants it that this has to leave; part of telling it."""
    rules = AlertRule.objects.filter(account=notification.account_id, is_paused=False)
    # A secret that cannot be read must not fail the task whose end is told.
    wanting = [rule for rule in rules.defer("secret") if rule.wants(notification)]
    if not wanting:
        return
    entity = _entity(notification)
    items = [
        AlertItem(
            rule=rule,
            notification_id=notification.pk,
            kind=notification.kind,
            level=notification.level,
            title=notification.title,
            body=notification.body,
            entity=entity,
            task_id=notification.task_id,
            told_at=notification.created_at,
        )
        for rule in wanting
    ]
    AlertItem.objects.bulk_create(items, ignore_conflicts=True)
    if any(rule.timing == Timing.AT_ONCE for rule in wanting):
        wake()


def _entity(notification: Notification) -> str:
    """What it happened to, as far as a task says so."""
    task = notification.task
    if task is None:
        return ""
    return str(task.resource) if task.resource else task.subject


def wake() -> None:
    """Tell a worker, with the caller's commit, that something has to leave."""
    async_task(WAKE)


# Gathering


def gather(now: datetime) -> None:
    """Bind what has to leave into deliveries: at once, or when a digest is due."""
    loose = AlertItem.objects.filter(rule=OuterRef("pk"), delivery=None)
    active = AlertRule.objects.filter(is_paused=False)
    at_once = active.filter(Exists(loose), timing=Timing.AT_ONCE)
    digests = active.filter(timing=Timing.DAILY, next_digest_at__lte=now)
    for pk in [*at_once.values_list("pk", flat=True), *digests.values_list("pk", flat=True)]:
        _gather(pk, now)


@transaction.atomic
def _gather(pk: uuid.UUID, now: datetime) -> None:
    """Make one delivery of a rule's items. The lock makes two that gather take turns."""
    rule = AlertRule.objects.select_for_update(of=("self",)).defer("secret")
    found = rule.select_related("account").filter(pk=pk, is_paused=False).first()
    if found is None:
        return
    if found.timing == Timing.DAILY:
        if found.next_digest_at is None or found.next_digest_at > now:
            return
        AlertRule.objects.filter(pk=pk).update(next_digest_at=next_digest(found, now))
    elif found.deliveries.filter(state=State.WAITING, attempts__gt=0).count() >= MOST_TRIED:
        return
    items = AlertItem.objects.filter(rule=pk, delivery=None)
    if items.exists():
        delivery = AlertDelivery.objects.create(rule=found, created_at=now, next_attempt_at=now)
        items.update(delivery=delivery)


def next_digest(rule: AlertRule, now: datetime) -> datetime:
    """When the rule's next digest is due, by the account's zone as it is now."""
    zone = rule.account.zone
    day = now.astimezone(zone).date()
    return Schedule(rule.digest_time, zone.key, day).after(now)


# Sending


def run() -> None:
    """Entry point in a worker: send what is due."""
    until = monotonic() + RUN_SECONDS
    while monotonic() < until:
        now = clock.now()
        gather(now)
        if not send_due(now):
            return
    wake()


def send_due(now: datetime) -> int:
    """Send a batch of what is due; return how many were tried."""
    give_up_old(now)
    claimed = claim(now)
    with ThreadPoolExecutor(THREADS, thread_name_prefix="alert") as pool:
        sent = [(each, pool.submit(_send, message_for(each), now)) for each in claimed]
        for delivery, outcome in sent:
            settle(delivery, outcome.result(), clock.now())
    return len(claimed)


def message_for(delivery: AlertDelivery) -> Mail | Webhook:
    """The message of a claimed delivery, as its rule stands now."""
    return message_of(delivery, delivery.rule, list(delivery.items.all()))


def _send(message: Mail | Webhook, now: datetime) -> str:
    """In a thread of its own: return what went wrong, or ""."""
    try:
        if isinstance(message, Webhook):
            message.send(int(now.timestamp()))
        else:
            message.send()
    except NotDelivered as problem:
        return str(problem)
    return ""


def claim(now: datetime) -> list[AlertDelivery]:
    """Take a batch of what is due, so that nobody else sends it; each counts as an attempt."""
    due = AlertDelivery.objects.filter(
        Q(claimed_until=None) | Q(claimed_until__lt=now), state=State.WAITING,
        next_attempt_at__lte=now,
    )  # fmt: skip
    ids = list(due.order_by("next_attempt_at").values_list("pk", flat=True)[:BATCH])
    token = uuid.uuid4()
    taken = due.filter(pk__in=ids).update(
        claim=token, claimed_until=now + CLAIM, attempts=F("attempts") + 1
    )
    if not taken:
        return []
    mine = AlertDelivery.objects.filter(pk__in=ids, claim=token)
    return list(mine.select_related("rule__account__organization"))


@transaction.atomic
def settle(delivery: AlertDelivery, problem: str, now: datetime) -> None:
    """Write down what came of an attempt, unless another has taken the delivery since."""
    facts = {"claim": None, "claimed_until": None, "sent_to": delivery.rule.goes_to}
    mine = AlertDelivery.objects.filter(pk=delivery.pk, claim=delivery.claim, state=State.WAITING)
    if not problem:
        mine.update(state=State.SENT, ended_at=now, next_attempt_at=None, last_error="", **facts)
        return
    mine.update(last_error=problem, next_attempt_at=now + pause_after(delivery.attempts), **facts)
    log.warning("alert not delivered", delivery=str(delivery.pk), attempts=delivery.attempts)


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts in vain: twice as long each time, two hours at most.

    A day has about eighteen.
    """
    doubled: timedelta = FIRST_PAUSE * 2 ** min(attempts - 1, 10)
    return min(doubled, LONGEST_PAUSE)


def give_up_old(now: datetime) -> None:
    """Give up what a day did not deliver, whatever it was that stopped it."""
    too_old = Q(created_at__lte=now - GIVE_UP) | Q(is_test=True, created_at__lte=now - GIVE_UP_TEST)
    waiting = AlertDelivery.objects.filter(
        too_old, Q(claimed_until=None) | Q(claimed_until__lt=now), state=State.WAITING
    )
    rules = AlertRule.objects.select_related("account").defer("secret")
    for delivery in list(waiting.prefetch_related(None).only("pk", "rule_id", "is_test")):
        with transaction.atomic():
            mine = waiting.filter(pk=delivery.pk)
            given_up = mine.update(
                state=State.FAILED, ended_at=now, next_attempt_at=None, claim=None,
                claimed_until=None,
            )  # fmt: skip
            if given_up and not delivery.is_test:
                _tell_given_up(rules.get(pk=delivery.rule_id), now)


def _tell_given_up(rule: AlertRule, now: datetime) -> None:
    """Say so in the Notification Center, once a day; that never leaves the portal (`wants`)."""
    title = f"Alerts of the rule “{rule}” do not arrive"
    said = Notification.objects.filter(
        account=rule.account, kind=Kind.ALERT, title=title[:200], created_at__gt=now - GIVE_UP
    )
    if not said.exists():
        body = (
            "A day of attempts did not help. Look at the rule under Settings, Alerts: it says "
            "what went wrong last. Send a test when it is mended."
        )
        tell(rule.account, Level.WARNING, title, body, kind=Kind.ALERT)


# By the clock


@every_minute
def sweep() -> None:
    """Wake a sender for what is due: what a lost wake left, digests, and new attempts."""
    now = clock.now()
    if outstanding(now):
        wake()
    if now.minute == 0:
        prune(now)


def outstanding(now: datetime) -> bool:
    """Whether anything could be gathered or sent now."""
    active = AlertRule.objects.filter(is_paused=False)
    loose = AlertItem.objects.filter(rule=OuterRef("pk"), delivery=None)
    return (
        AlertDelivery.objects.filter(state=State.WAITING, next_attempt_at__lte=now).exists()
        or active.filter(timing=Timing.DAILY, next_digest_at__lte=now).exists()
        or active.filter(Exists(loose), timing=Timing.AT_ONCE).exists()
    )


def prune(now: datetime) -> None:
    """Forget deliveries after thirty days, and what was noted for a rule that is gone."""
    old = now - KEPT
    _delete_some(AlertDelivery.objects.filter(created_at__lt=old).exclude(state=State.WAITING))
    _delete_some(OverdueRun.objects.filter(created_at__lt=old))
    orphans = AlertItem.objects.exclude(rule__in=AlertRule.objects.values("pk"))
    _delete_some(orphans.filter(told_at__lt=now - timedelta(hours=1)))


def _delete_some(rows: QuerySet[Any]) -> None:
    """Delete at most a thousand: the next hour goes on."""
    ids = list(rows.values_list("pk", flat=True)[:1000])
    rows.model._default_manager.filter(pk__in=ids).delete()
