"""What moves on the pages of disaster recovery (`portal.live`)."""

from __future__ import annotations

from django.utils.safestring import SafeString

from portal.access import Request
from portal.live import Moved, draws
from portal.models import Task
from portal.uuids import as_uuid


@draws("recovery")
def recovery(request: Request, arguments: list[str]) -> Moved:
    """Nothing to see, by the task's id: the tab is read anew when its checks have ended."""
    wanted = filter(None, map(as_uuid, arguments))
    tasks = list(Task.objects.filter(account=request.account, pk__in=wanted))
    is_over = any(not task.is_active for task in tasks)
    return Moved(SafeString(""), not is_over, ("settled-recovery",) if is_over else ())
