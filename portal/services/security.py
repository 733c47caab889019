"""What people do about their own sign-in, and administrators about that of their customer."""

from __future__ import annotations

from django.db import transaction

from portal import sessions
from portal.audit import Actor, record
from portal.models import Customer, User, UserSession
from portal.refusals import Refused
from portal.second_factor import has_factor


@transaction.atomic
def end_session(actor: Actor, session: UserSession) -> None:
    """End one session of a person's."""
    record(actor, "user.end_session", session.user, device=session.device, source=session.address)
    sessions.end(UserSession.objects.filter(pk=session.pk))


@transaction.atomic
def end_other_sessions(actor: Actor, user: User, key: str | None) -> int:
    """End all sessions of the person's but the one of this key; return how many there were."""
    ended = sessions.end_others(user, key)
    record(actor, "user.end_sessions", user, ended=ended)
    return ended


@transaction.atomic
def require_two_factor(actor: Actor, customer: Customer, *, is_required: bool) -> None:
    """Switch it for all people of a customer. Refused to whoever does without it themselves."""
    if is_required and not (actor.user and has_factor(actor.user)):
        raise Refused("Set up a second factor of your own first, on your Security page.")
    changed = Customer.objects.filter(pk=customer.pk, requires_two_factor=not is_required)
    if changed.update(requires_two_factor=is_required):
        verb = "require" if is_required else "release"
        record(actor, f"access.{verb}_two_factor", customer)
