"""How often a key may ask: a number for each minute of the clock, whichever process answers."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings
from django.db.models import Case, F, When
from django.http import HttpRequest
from ninja.throttling import BaseThrottle

from portal.engine import clock
from reporting.api.keys import key_of
from reporting.models import ApiKey


@dataclass(frozen=True)
class Rate:
    """How a key stands in this minute; ``reset`` is when the next begins, in Unix seconds."""

    is_over: bool
    remaining: int
    reset: int
    wait: int

    def headers(self) -> dict[str, str]:
        """What every answer to a key carries."""
        said = {
            "X-RateLimit-Limit": str(settings.API_REQUESTS_A_MINUTE),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(self.reset),
        }
        return said | ({"Retry-After": str(self.wait)} if self.is_over else {})


def spend(key: ApiKey) -> Rate:
    """Count a request, unless the minute's number is used up, by one conditional statement."""
    limit = settings.API_REQUESTS_A_MINUTE
    now = int(clock.now().timestamp())
    minute = now // 60
    mine = ApiKey.objects.filter(pk=key.pk)
    counted = mine.exclude(rate_minute=minute, rate_count__gte=limit).update(
        rate_count=Case(When(rate_minute=minute, then=F("rate_count") + 1), default=1),
        rate_minute=minute,
    )
    used = mine.values_list("rate_count", flat=True).first() or 0
    reset = 60 * (minute + 1)
    return Rate(not counted, max(0, limit - used), reset, reset - now)


class PerKey(BaseThrottle):
    """Refuses when the number is used up; leaves on the request how the key stands."""

    def allow_request(self, request: HttpRequest) -> bool:
        rate = spend(key_of(request))
        request.rate = rate  # type: ignore[attr-defined]
        return not rate.is_over
