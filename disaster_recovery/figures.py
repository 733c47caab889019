"""What an account has to replicate, and what its replications have shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from statistics import median

from django.db.models import Count, Q, Sum

from backups.models import Backup, Replica
from backups.rates import Pace, measured_rate, pace_there
from portal.engine import clock
from portal.models import Account, Resource
from portal.models.resources import NEVER

EGRESS_DAYS = 30
SERVER_KINDS = (Resource.Kind.SANDBOX, Resource.Kind.UTILITY_SERVER)
# What disaster recovery protects: servers, and volumes of users.
PROTECTED = Q(kind__in=SERVER_KINDS) | Q(is_listed=True)
SAMPLE = 20


@dataclass(frozen=True)
class Figures:
    """``pace`` is how fast replications go; its rate is None before anything was replicated."""

    resources: int
    size_bytes: int
    with_replica: int
    pace: Pace
    egress_bytes: int
    # How long a backup after a session takes, which a returning user has to wait (R136, R166).
    after_session: timedelta | None = None

    @property
    def rate(self) -> float | None:
        """Bytes a second of the latest replications."""
        return self.pace.rate

    @property
    def first_replication(self) -> timedelta | None:
        """How long it takes to replicate everything whole, begun now (R117)."""
        if not self.rate:
            return None
        return timedelta(seconds=self.pace.travel(self.size_bytes).seconds)

    @property
    def first_reason(self) -> str:
        """What decides how long: the measured rate, or the throttle in force."""
        return self.pace.reason(self.size_bytes)


def protected(account: Account) -> dict[str, int]:
    """Count and size of what disaster recovery protects: the five kinds, volumes of users."""
    found = Resource.objects.filter(account=account, is_missing=False)
    servers = found.filter(kind__in=SERVER_KINDS).aggregate(n=Count("pk"), size=Sum("size_bytes"))
    volumes = found.volumes().aggregate(n=Count("pk"), size=Sum("size_bytes"))
    return {
        "count": servers["n"] + volumes["n"],
        "size": (servers["size"] or 0) + (volumes["size"] or 0),
    }


def figures_of(account: Account) -> Figures:
    """All of it, by a fixed number of queries."""
    whole = protected(account)
    since = clock.now() - timedelta(days=EGRESS_DAYS)
    sent = Replica.objects.filter(account=account, completed_at__gte=since)
    ready = Resource.objects.filter(
        PROTECTED, account=account, is_missing=False, last_replica_at__gt=NEVER
    )
    return Figures(
        resources=whole["count"],
        size_bytes=whole["size"],
        with_replica=ready.count(),
        pace=pace_there(account, measured_rate(account)),
        egress_bytes=sent.aggregate(n=Sum("sent_bytes"))["n"] or 0,
        after_session=_after_session(account),
    )


def _after_session(account: Account) -> timedelta | None:
    """The median of the latest; None before there was any."""
    made = Backup.objects.filter(account=account, type=Backup.Type.AFTER_SESSION).listed()
    latest = made.ready().order_by("-created_at").values_list("created_at", "completed_at")
    took = [(end - begun).total_seconds() for begun, end in latest[:SAMPLE] if end]
    return timedelta(seconds=median(took)) if took else None
