"""What moves on the pages of disaster recovery (`portal.live`)."""

from __future__ import annotations

from django.utils.safestring import SafeString

from disaster_recovery.standing import fingerprint
from portal.access import Request
from portal.engine import clock
from portal.live import Moved, draws
from portal.models import Account, Task
from portal.uuids import as_uuid


@draws("recovery")
def recovery(request: Request, arguments: list[str]) -> Moved:
    """Nothing to see, by the task's id: the tab is read anew when its checks have ended."""
    wanted = filter(None, map(as_uuid, arguments))
    tasks = list(Task.objects.filter(account=request.account, pk__in=wanted))
    is_over = any(not task.is_active for task in tasks)
    return Moved(SafeString(""), not is_over, ("settled-recovery",) if is_over else ())


# A page of everything is not drawn anew for each of ten thousand replications.
REDRAW_SECONDS = 5


def standing_mark(account: Account) -> str:
    """What a page of the account's standing was drawn from, and when."""
    return f"{fingerprint(account)}.{clock.now().timestamp():.0f}"


@draws("recovery_standing")
def recovery_standing(request: Request, arguments: list[str]) -> Moved:
    """Nothing to see: the page is read anew when a replication has begun or ended since."""
    now = fingerprint(request.account)
    seen, _, drawn = arguments[0].partition(".")
    has_changed = seen != now
    age = clock.now().timestamp() - int(drawn) if drawn.isdecimal() else REDRAW_SECONDS
    is_due = has_changed and age >= REDRAW_SECONDS
    moves = has_changed or not now.startswith("0-")
    return Moved(SafeString(""), moves, ("settled-standing",) if is_due else ())
