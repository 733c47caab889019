"""What programs start by the API: each named request once, however often it is repeated."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from django.db import IntegrityError, transaction

from portal.engine import clock
from portal.models import Task
from portal.refusals import Refused
from reporting.models import ApiKey, ApiRequest

# So long a name stands for the request it was first given to.
NAMES_KEPT = timedelta(days=1)


class NameTaken(Refused):
    """The name was given to another request before."""


@transaction.atomic
def start_once(
    key: ApiKey, name: str, asked: bytes, start: Callable[[], Task]
) -> tuple[UUID, bool]:
    """Start a task; if the key asked the same under this name before, answer that task.

    Returns the task's id, and whether it was started now. ``asked`` is all that was asked, as
    it was sent. A refusal by ``start`` leaves the name free. Of two requests at once, the second
    waits for the first: the database holds its row back until the first is committed.
    """
    if not name:
        return start().pk, True
    now = clock.now()
    ApiRequest.objects.filter(key=key, created_at__lt=now - NAMES_KEPT).delete()
    digest = hashlib.sha256(asked).hexdigest()
    request = ApiRequest(key=key, name=name, digest=digest, created_at=now)
    try:
        with transaction.atomic():
            request.save(force_insert=True)
    except IntegrityError:
        return _started_before(key, name, digest), False
    request.task = start().pk
    request.save(update_fields=["task"])
    return request.task, True


def _started_before(key: ApiKey, name: str, digest: str) -> UUID:
    before = ApiRequest.objects.get(key=key, name=name)
    if before.digest != digest or before.task is None:
        raise NameTaken("This Idempotency-Key was given to another request before.")
    return before.task
