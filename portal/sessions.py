"""Sessions: noted when they begin, ended when they have lasted or rested too long.

A session carries its own facts, so that a page asks nothing more than it did: when it began,
when it was last used, and whether its person must first set up a second factor. They are
written anew once a minute at most, with the row that its person sees of it.
"""

from __future__ import annotations

import time
from datetime import timedelta

from django.conf import settings
from django.contrib.auth import SESSION_KEY, logout
from django.contrib.sessions.models import Session
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from portal.audit import Actor, client_address, record
from portal.models import User, UserSession
from portal.second_factor import is_missing

BEGAN, SEEN, ENROL = "began_at", "seen_at", "must_enrol"
NOTED_EVERY_SECONDS = 60
# They ask by themselves as long as a page is open: nobody has done anything.
POLLS = frozenset({"portal:live", "portal:account_live"})


def begin(request: HttpRequest, user: User) -> None:
    """Note a session that has just begun. Called when somebody has signed in."""
    forget_old(user)
    request.session[BEGAN] = time.time()
    _note(request, user)


def look(request: HttpRequest) -> None:
    """End the request's session if its time is over; else note, now and then, that it is used."""
    session, now = request.session, time.time()
    if SESSION_KEY not in session:
        return
    if BEGAN not in session:  # from before sessions were noted
        session[BEGAN] = session[SEEN] = now
    rested = now - session.get(SEEN, now)
    if now - session[BEGAN] > settings.SESSION_COOKIE_AGE or rested > settings.SESSION_IDLE_SECONDS:
        actor = Actor.of(request)
        if actor.user:
            record(actor, "user.session_expired", actor.user)
        logout(request)
        return
    match = request.resolver_match
    is_poll = match is not None and match.view_name in POLLS
    if rested >= NOTED_EVERY_SECONDS and not is_poll and isinstance(request.user, User):
        _note(request, request.user)


def note_again(request: HttpRequest, user: User) -> None:
    """Write what is known of the session now: its key has changed, or the person's factors."""
    _note(request, user)


def _note(request: HttpRequest, user: User) -> None:
    request.session[SEEN] = time.time()
    request.session[ENROL] = is_missing(request, user)
    facts = {
        "user": user,
        "seen_at": timezone.now(),
        "address": client_address(request),
        "agent": request.headers.get("User-Agent", "").replace("\x00", "")[:300],
    }
    UserSession.objects.update_or_create(session_key=request.session.session_key, defaults=facts)


def must_enrol(request: HttpRequest) -> bool:
    """Whether the person has to set up a second factor before anything else."""
    return bool(request.session.get(ENROL))


def of(user: User) -> QuerySet[UserSession]:
    """The person's sessions that go on, the one used last first."""
    living = Session.objects.filter(expire_date__gt=timezone.now()).values("session_key")
    return (
        UserSession.objects.filter(user=user, session_key__in=living)
        .filter(began_at__gt=timezone.now() - _LONGEST, seen_at__gt=timezone.now() - _IDLE)
        .order_by("-seen_at")
    )


_LONGEST = timedelta(seconds=settings.SESSION_COOKIE_AGE)
_IDLE = timedelta(seconds=settings.SESSION_IDLE_SECONDS + NOTED_EVERY_SECONDS)


def end(sessions: QuerySet[UserSession]) -> int:
    """End these sessions at once: whoever holds one is nobody with the next click."""
    keys = list(sessions.values_list("session_key", flat=True))
    Session.objects.filter(session_key__in=keys).delete()
    UserSession.objects.filter(session_key__in=keys).delete()
    return len(keys)


def end_others(user: User, key: str | None) -> int:
    """End all sessions of the person but the one of this key."""
    return end(UserSession.objects.filter(user=user).exclude(session_key=key or ""))


def forget_old(user: User) -> None:
    """Remove rows of sessions that ended by themselves."""
    UserSession.objects.filter(user=user).exclude(pk__in=of(user).values("pk")).delete()
