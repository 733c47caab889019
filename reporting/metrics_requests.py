"""How long requests take, counted by every web process, read together by whichever is asked.

gunicorn has several processes, so each counts into a file of its own that is mapped into its
memory (prometheus-client's multiprocess mode). The files of one server lie in one folder, named
by the process that started it: a process that is replaced keeps counting for the server, and a
server that starts anew counts from nothing, as Prometheus expects.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

from django.conf import settings
from django.core.exceptions import MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse
from prometheus_client import Histogram

METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
DURATION = Histogram(
    "standby_request_duration_seconds",
    "Time to the first byte of an answer, by view, method and class of status.",
    ("view", "method", "status"),
    buckets=(0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
    registry=None,
)


def timed(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[..., HttpResponse]:
    """Middleware that times every request; not there at all without a METRICS_TOKEN."""
    if not settings.METRICS_TOKEN:
        raise MiddlewareNotUsed
    settings.METRICS_DIR.mkdir(parents=True, exist_ok=True)
    _forget_former_servers(settings.METRICS_DIR)

    def middleware(request: HttpRequest) -> HttpResponse:
        begun = perf_counter()
        response = get_response(request)
        match = request.resolver_match
        DURATION.labels(
            match.view_name if match else "none",
            request.method if request.method in METHODS else "other",
            f"{response.status_code // 100}xx",
        ).observe(perf_counter() - begun)
        return response

    return middleware


def _forget_former_servers(ours: Path) -> None:
    """Remove what servers of this machine have left that run no more."""
    machine = ours.name.rpartition("-")[0]
    for folder in ours.parent.glob(f"{machine}-*"):
        pid = folder.name.rpartition("-")[2]
        if folder != ours and pid.isdecimal() and not _is_running(int(pid)):
            shutil.rmtree(folder, ignore_errors=True)


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
