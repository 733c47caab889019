"""Twenty people at once, before gunicorn as it is deployed (gthread, 2 of 8 threads).

They open the two tabs of the Volumes page, each as soon as the one before is there; in turn with
that, Django admin's changelists of the same rows, which have the same columns and as many rows a
page. All of it over loopback, from threads of this process, so many requests and no more. What
counts is the answer that one in twenty waits longer for (p95).
"""

from __future__ import annotations

import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import requests
from django.conf import settings
from django.db import connections
from django.test import Client

from portal.models import Role, RoleGrant, User
from tests.bench.figure import Figure
from tests.environment import database_url
from tests.filled import fill, forget
from tests.people import make_world

PEOPLE, REQUESTS_EACH = 20, 8
VOLUMES = 500
START_SECONDS, ANSWER_SECONDS = 60, 60
# Our page may take no longer than the admin's.
TARGET = 1.0


def measure(rounds: int) -> Iterator[Figure]:
    world = make_world("At once")
    fill(world, range(VOLUMES))
    person = User.objects.create_superuser("at-once@standby.example", "no password of anybody")
    RoleGrant.objects.create(user=person, role=Role.CUSTOMER_ADMINISTRATOR, customer=world.customer)
    cookie = _signed_in(person)
    connections.close_all()
    base = f"/accounts/{world.account.pk}/volumes/"
    ours, theirs = (base, f"{base}backups/"), ("/bench/portal/resource/", "/bench/backups/backup/")
    with _served() as url:
        _ask(url, cookie, (*ours, *theirs), 4)  # each process is warm
        times: dict[tuple[str, ...], list[float]] = {ours: [], theirs: []}
        for _ in range(rounds):
            for paths, taken in times.items():
                taken.append(_p95(_ask(url, cookie, paths, REQUESTS_EACH)))
    forget(world)
    portal, admin = times.values()
    ratios = tuple(here / there for here, there in zip(portal, admin, strict=True))
    yield Figure(f"p95 of {PEOPLE} at once ÷ admin", ratios, TARGET)
    yield Figure(f"p95 of {PEOPLE} at once, ms", tuple(each * 1000 for each in portal))
    yield Figure(f"p95 of {PEOPLE} at once at the admin, ms", tuple(each * 1000 for each in admin))


def _p95(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=20)[-1]


def _signed_in(person: User) -> dict[str, str]:
    client = Client()
    client.force_login(person)
    name = settings.SESSION_COOKIE_NAME
    return {name: client.cookies[name].value}


def _ask(url: str, cookie: dict[str, str], paths: Sequence[str], each: int) -> list[float]:
    """Seconds of every answer: so many people, each so many pages one after the other."""

    def one_person(number: int) -> list[float]:
        taken = []
        with requests.Session() as session:
            session.trust_env = False
            session.cookies.update(cookie)
            for turn in range(each):
                began = time.perf_counter()
                path = paths[(number + turn) % len(paths)]
                answer = session.get(f"{url}{path}", timeout=ANSWER_SECONDS, allow_redirects=False)
                taken.append(time.perf_counter() - began)
                assert answer.status_code == 200, (path, answer.status_code)
        return taken

    with ThreadPoolExecutor(PEOPLE) as pool:
        return [seconds for taken in pool.map(one_person, range(PEOPLE)) for seconds in taken]


@contextmanager
def _served() -> Iterator[str]:
    """Gunicorn on a free port of loopback, on the database of this process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "gunicorn", "tests.bench_wsgi", "--bind", f"127.0.0.1:{port}",
        "--worker-class", "gthread", "--workers", "2", "--threads", "8", "--no-control-socket",
    ]  # fmt: skip
    environment = os.environ | {"DATABASE_URL": database_url(), "CONN_MAX_AGE": "600"}
    server = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        _await(f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=30)


def _await(url: str) -> None:
    until = time.monotonic() + START_SECONDS
    while True:
        try:
            requests.get(f"{url}/healthz", timeout=START_SECONDS).raise_for_status()
        except requests.ConnectionError:  # it does not listen yet
            if time.monotonic() > until:
                raise
            time.sleep(0.1)
        else:
            return
