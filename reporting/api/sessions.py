"""What a session broker tells, and asks: sessions started and closed, volumes free or busy."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Router, Schema
from pydantic import ConfigDict, model_validator

from portal.access import Permission
from reporting import sessions, waits
from reporting.api.keys import account_of, require
from reporting.api.problems import STARTING
from reporting.api.values import Instant, Line, Strict
from reporting.models import Session

router = Router(tags=["sessions"])
MOST_EVENTS = 500


class UserFacts(Strict):
    """``name`` is what the account's volumes are assigned by, most often the e-mail address."""

    name: Line = Field(min_length=1, max_length=150)
    email: Line = Field(default="", max_length=254)
    first_name: Line = Field(default="", max_length=150)
    last_name: Line = Field(default="", max_length=150)
    identity_provider: Line = Field(default="", max_length=100)


class Machine(Strict):
    """The machine of the session: its id at the cloud, or else its name."""

    id: Line = Field(default="", max_length=500)
    name: Line = Field(default="", max_length=255)


class ClientFacts(Strict):
    ip: Line = Field(default="", max_length=45)
    os: Line = Field(default="", max_length=100)
    browser: Line = Field(default="", max_length=100)
    distance_km: float | None = Field(default=None, ge=0, le=50_000, strict=True)


# The same as the validator below says, for programs.
_REASON_OF_CLOSE_ALONE: dict[str, Any] = {
    "if": {"properties": {"type": {"const": "closed"}}, "required": ["type"]},
    "then": {"properties": {"close_reason": {"minLength": 1}}, "required": ["close_reason"]},
    "else": {"properties": {"close_reason": {"const": ""}}},
}


class EventIn(Strict):
    model_config = ConfigDict(json_schema_extra=_REASON_OF_CLOSE_ALONE)

    event_id: Line = Field(min_length=1, max_length=100)
    type: Literal["started", "disconnected", "reconnected", "closed"]
    account: UUID
    session_id: Line = Field(min_length=1, max_length=100)
    occurred_at: Instant
    user: UserFacts
    machine: Machine = Field(default_factory=Machine)
    pool: Line = Field(default="", max_length=100)
    instance_type: Line = Field(default="", max_length=100)
    launchpad: Line = Field(default="", max_length=100)
    application: Line = Field(default="", max_length=100)
    client: ClientFacts = Field(default_factory=ClientFacts)
    average_latency_ms: float | None = Field(default=None, ge=0, le=3_600_000, strict=True)
    close_reason: Literal["", *Session.CloseReason.values] = ""  # type: ignore[valid-type]

    @model_validator(mode="after")
    def _reason_of_close_alone(self) -> EventIn:
        if bool(self.close_reason) != (self.type == "closed"):
            raise ValueError("close_reason belongs to closed, and closed needs it")
        return self

    def as_event(self) -> sessions.Event:
        """What the service takes in."""
        user, client = self.user, self.client
        return sessions.Event(
            event_id=self.event_id,
            account=self.account,
            session_id=self.session_id,
            type=self.type,
            occurred_at=self.occurred_at,
            user_name=user.name,
            close_reason=self.close_reason,
            facts={
                "email": user.email,
                "first_name": user.first_name,
                "last_name": user.last_name,
                "identity_provider": user.identity_provider,
                "machine_id": self.machine.id,
                "machine_name": self.machine.name,
                "pool": self.pool,
                "instance_type": self.instance_type,
                "launchpad": self.launchpad,
                "application": self.application,
                "client_ip": client.ip,
                "client_os": client.os,
                "browser": client.browser,
                "distance_km": client.distance_km,
                "average_latency_ms": self.average_latency_ms,
            },
        )


class EventsIn(Strict):
    events: list[EventIn] = Field(min_length=1, max_length=MOST_EVENTS)


class OutcomeOut(Schema):
    event_id: str
    status: Literal["accepted", "duplicate", "rejected"]
    problem: str = ""


class OutcomesOut(Schema):
    outcomes: list[OutcomeOut]


class AttachIn(Strict):
    account: UUID
    user: Line = Field(min_length=1, max_length=150)


class AttachOut(Schema):
    """``expected_seconds`` is how long it should still take, by the latest of its kind."""

    is_free: bool
    reason: str
    since: datetime | None
    expected_seconds: int


@router.post("/events", response={200: OutcomesOut, **STARTING}, summary="Report events")
def report_events(request: HttpRequest, body: EventsIn) -> dict[str, Any]:
    """Take in what happened to sessions, each event once, in whatever order they come."""
    key = require(request, Permission.REPORT_SESSIONS)
    accounts = key.accounts().filter(pk__in={each.account for each in body.events})
    events = [each.as_event() for each in body.events]
    return {"outcomes": sessions.take_in({each.pk: each for each in accounts}, events)}


@router.post("/attach", response={200: AttachOut, **STARTING}, summary="May attach?")
def ask_attach(request: HttpRequest, body: AttachIn) -> waits.Answer:
    """Ask, before attaching a returning user's volumes, whether they are free (R166)."""
    return waits.ask(account_of(request, body.account, Permission.REPORT_SESSIONS), body.user)
