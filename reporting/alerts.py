"""What a person can do with an account's alert rules. Every change is in the audit trail (R163)."""

from __future__ import annotations

import secrets
from typing import Any

from django.db import transaction
from django.db.models import OuterRef, QuerySet, Subquery

from portal.audit import Actor, record
from portal.engine import clock
from portal.models import Account
from portal.refusals import Refused
from portal.secret_field import Secrets
from portal.services import refusing_duplicates
from reporting.alert_sending import next_digest, wake
from reporting.models import MOST_RULES, AlertDelivery, AlertRule

SECRET_BYTES = 32

State, Timing = AlertDelivery.State, AlertRule.Timing


def rules_of(account: Account) -> QuerySet[AlertRule]:
    """The account's rules by name, each with how its last delivery went."""
    last = AlertDelivery.objects.filter(rule=OuterRef("pk")).order_by("-created_at")
    return (
        AlertRule.objects.filter(account=account)
        .defer("secret")
        .annotate(
            last_state=Subquery(last.values("state")[:1]),
            last_error=Subquery(last.values("last_error")[:1]),
            last_at=Subquery(last.values("created_at")[:1]),
        )
        .order_by("name")
    )


@transaction.atomic
def create_rule(actor: Actor, account: Account, portal_url: str, **chosen: Any) -> AlertRule:
    """Make a rule; a webhook's has a secret, which is shown to its maker alone. Raises Refused."""
    # The lock makes the count true.
    Account.objects.select_for_update().get(pk=account.pk)
    if AlertRule.objects.filter(account=account).count() >= MOST_RULES:
        raise Refused(f"An account has {MOST_RULES} rules at most. Delete one that is not needed.")
    rule = AlertRule(account=account, portal_url=portal_url, created_by=actor.user)
    _take(rule, chosen)
    if rule.is_webhook:
        rule.secret = _new_secret()
    with refusing_duplicates("This account already has a rule of that name."):
        rule.save(force_insert=True)
    record(actor, "alert.create", rule, account=account, **_facts(rule))
    return rule


@transaction.atomic
def edit_rule(
    actor: Actor, rule: AlertRule, portal_url: str, *, new_secret: bool = False, **chosen: Any
) -> str:
    """Change a rule; what waits to be sent goes where it leads now, at once. Raises Refused.

    Returns the new secret, if a webhook got one; it is not shown again.
    """
    locked = AlertRule.objects.select_for_update(of=("self",)).select_related("account")
    rule = locked.get(pk=rule.pk)
    before = _facts(rule)
    _take(rule, chosen)
    rule.portal_url = portal_url
    has_new = rule.is_webhook and (new_secret or not rule.secret)
    if has_new:
        rule.secret = _new_secret()
    if not rule.is_webhook:
        rule.secret = Secrets()
    with refusing_duplicates("This account already has a rule of that name."):
        rule.save()
    rule.deliveries.filter(state=State.WAITING).update(next_attempt_at=clock.now())
    wake()
    after = _facts(rule)
    record(
        actor, "alert.edit", rule, account=rule.account, new_secret=has_new, before=before,
        after=after,
    )  # fmt: skip
    return rule.secret["secret"] if has_new else ""


def _take(rule: AlertRule, chosen: dict[str, Any]) -> None:
    for name, value in chosen.items():
        setattr(rule, name, value)
    is_daily = rule.timing == Timing.DAILY
    rule.next_digest_at = next_digest(rule, clock.now()) if is_daily else None


def _new_secret() -> Secrets:
    return Secrets(secret=secrets.token_urlsafe(SECRET_BYTES))


@transaction.atomic
def delete_rule(actor: Actor, rule: AlertRule) -> None:
    """Delete a rule, what it has not sent yet, and its log."""
    record(actor, "alert.delete", rule, account=rule.account, **_facts(rule))
    rule.delete()


@transaction.atomic
def pause_rule(actor: Actor, rule: AlertRule) -> None:
    """Send nothing more by it, until it is resumed: what happens meanwhile is not kept for it."""
    if not AlertRule.objects.filter(pk=rule.pk, is_paused=False).update(is_paused=True):
        raise Refused("The rule is paused already.")
    now = clock.now()
    rule.deliveries.filter(state=State.WAITING, claim=None).update(
        state=State.CANCELED, ended_at=now, next_attempt_at=None,
        last_error="The rule was paused before it was sent.",
    )  # fmt: skip
    rule.items.filter(delivery=None).delete()
    record(actor, "alert.pause", rule, account=rule.account)


@transaction.atomic
def resume_rule(actor: Actor, rule: AlertRule) -> None:
    """Send again what happens from now on."""
    # Noted by a task that had read the rule just before it was paused.
    rule.items.filter(delivery=None).delete()
    is_daily = rule.timing == Timing.DAILY
    resumed = AlertRule.objects.filter(pk=rule.pk, is_paused=True).update(
        is_paused=False, next_digest_at=next_digest(rule, clock.now()) if is_daily else None
    )
    if not resumed:
        raise Refused("The rule is not paused.")
    record(actor, "alert.resume", rule, account=rule.account)


@transaction.atomic
def send_test(actor: Actor, rule: AlertRule) -> AlertDelivery:
    """Send a test by the rule, on the way alerts go. Raises Refused while one is on its way."""
    AlertRule.objects.select_for_update().get(pk=rule.pk)
    if rule.deliveries.filter(is_test=True, state=State.WAITING).exists():
        raise Refused("A test is on its way. Its line in the log says how it went.")
    now = clock.now()
    delivery = AlertDelivery.objects.create(
        rule=rule, is_test=True, created_at=now, next_attempt_at=now
    )
    wake()
    record(actor, "alert.test", rule, account=rule.account)
    return delivery


def _facts(rule: AlertRule) -> dict[str, Any]:
    """What the audit trail says of a rule: no secret, and of an address the host alone."""
    facts = {
        "name": rule.name,
        "about": rule.subject_matter,
        "lowest_level": rule.get_lowest_level_display(),
        "timing": rule.get_timing_display(),
        "channel": rule.get_channel_display(),
        "to": rule.goes_to,
    }
    if rule.timing == Timing.DAILY:
        facts["digest_time"] = f"{rule.digest_time:%H:%M}"
    return facts
