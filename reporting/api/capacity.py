"""What a session broker tells of its pools: settings, and how the machines stand."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Router, Schema

from portal.access import Permission
from reporting.api.keys import account_of
from reporting.api.problems import STARTING
from reporting.api.values import Instant, Line, Strict
from reporting.figures import capacity

router = Router(tags=["sessions"])
MOST_POOLS = 200
Servers = Annotated[int, Field(ge=0, le=1_000_000, strict=True)]


class PoolIn(Strict):
    """``pool`` and ``instance_type`` as the events of its sessions name them.

    ``min_servers``, ``buffer_servers`` and ``max_servers`` are the pool's settings.
    """

    pool: Line = Field(min_length=1, max_length=100)
    instance_type: Line = Field(default="", max_length=100)
    min_servers: Servers | None = None
    buffer_servers: Servers | None = None
    max_servers: Servers | None = None
    running: Servers
    starting: Servers = 0
    stopped: Servers = 0
    waiting_users: Servers = 0


class CapacityIn(Strict):
    """Each pool and instance type once."""

    account: UUID
    at: Instant
    pools: list[PoolIn] = Field(min_length=1, max_length=MOST_POOLS)


class CapacityOut(Schema):
    """``at`` is the quarter of an hour it is kept for; told again, it replaces what was told."""

    at: datetime
    recorded: int


@router.post("", response={200: CapacityOut, **STARTING}, summary="Report capacity")
def report_capacity(request: HttpRequest, body: CapacityIn) -> dict[str, Any]:
    """Keep how the pools of an account stood at a moment (R151)."""
    account = account_of(request, body.account, Permission.REPORT_SESSIONS)
    pools = [
        capacity.Pool(each.pool, each.instance_type, each.dict(exclude={"pool", "instance_type"}))
        for each in body.pools
    ]
    return {"at": capacity.take_in(account, body.at, pools), "recorded": len(pools)}
