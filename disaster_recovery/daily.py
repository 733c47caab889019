"""The checks of disaster recovery once a day: what was right when it was configured may change."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from django.db.models import Exists, OuterRef

from disaster_recovery.configuration import CHECK, CONFIGURE, check_again
from portal.audit import SYSTEM
from portal.engine import clock
from portal.engine.ticks import every_minute
from portal.models import Account, Task
from portal.refusals import Refused

EVERY = timedelta(days=1)


@every_minute
def check_daily() -> None:
    """Start the checks of each account that had none for a day, whatever came of those."""
    since = clock.now() - EVERY
    checked = Task.objects.on_top().filter(
        account=OuterRef("pk"), kind__in=(CONFIGURE, CHECK), created_at__gt=since
    )
    for account in Account.objects.living().filter(dr_enabled=True).exclude(Exists(checked)):
        # Another worker's tick may have come first.
        with suppress(Refused):
            check_again(SYSTEM, account, since=since)
