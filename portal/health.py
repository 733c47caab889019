"""Whether the deployment works: one finding a check, in plain words. For /readyz and doctor."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import Error, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Max, Min, Q
from django.templatetags.static import static
from django.utils import timezone
from django_q.models import OrmQ

from portal.models import CloudAccount, Heartbeat, Task
from portal.outages import WORDS, Outage, gist, let_go, outage_of

# A runner beats every ten seconds at work, and once a minute when there is none.
HEARTBEAT_SECONDS = 90
# A runner ends after less than a minute, and the next wake is taken.
QUEUE_SECONDS = 180
UNCLAIMED_SECONDS = 120
# With less, the next write may fail.
LEAST_FREE_BYTES = 2**20


@dataclass(frozen=True)
class Finding:
    """What one check found. ``text`` is a sentence that also says what to do when it is not ok.

    ``detail`` may name hosts and users: it is for the doctor, not for a public page.
    """

    name: str
    is_ok: bool
    text: str
    detail: str = ""


def readiness() -> list[Finding]:
    """The checks of /readyz. Nothing is asked of the tables before the database answers."""
    files, database = check_static(), check_database()
    if not database.is_ok:
        return [files, database]
    try:
        return [files, *_in_tables(database)]
    except Error as error:
        # It went away while it was asked, or cannot be written to.
        if not (outage := outage_of(error)):
            raise
        let_go()
        return [files, Finding("database", False, f"{WORDS[outage].title}.", gist(error))]


def _in_tables(database: Finding) -> list[Finding]:
    """What the tables tell; raises what hinders the database."""
    migrations = check_migrations()
    if not migrations.is_ok:
        return [database, migrations]
    now = timezone.now()
    # Changes no row, and is refused by a standby, or a file that may not be written.
    Heartbeat.objects.filter(host="").update(at=now)
    return [database, migrations, check_worker(now), check_queue(now), check_tasks(now)]


def check_database() -> Finding:
    """Whether it answers, and has room: SQLite's disk is looked at, PostgreSQL's is not ours."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Error as error:
        let_go()
        return Finding("database", False, "The database does not answer.", gist(error))
    if connection.vendor == "sqlite":
        folder = Path(connection.settings_dict["NAME"]).parent
        if shutil.disk_usage(folder).free < LEAST_FREE_BYTES:
            return Finding("database", False, f"{WORDS[Outage.FULL].title}.", str(folder))
    return Finding("database", True, f"The database answers ({connection.vendor}).")


def check_migrations() -> Finding:
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        return Finding(
            "migrations",
            False,
            f"{len(missing)} migrations have not been applied. Run: manage.py migrate",
        )
    return Finding("migrations", True, "All migrations have been applied.")


def check_static() -> Finding:
    """Without its manifest not even the page of an error can be drawn."""
    try:
        static("portal/app.css")
    except ValueError:
        text = "The static files have not been collected. Run: manage.py collectstatic"
        return Finding("static", False, text)
    return Finding("static", True, "The static files are there.")


def check_worker(now: datetime) -> Finding:
    last = Heartbeat.objects.order_by("-at").first()
    if last is None:
        return Finding("worker", False, "No worker has ever run. Start one: manage.py worker")
    age = int((now - last.at).total_seconds())
    if age > HEARTBEAT_SECONDS:
        return Finding(
            "worker",
            False,
            f"The last sign of life of a worker is {age} s old ({last.host}). "
            "Start one: manage.py worker",
        )
    return Finding("worker", True, f"A worker on {last.host} looked for work {age} s ago.")


def check_queue(now: datetime) -> Finding:
    """Wakes may wait behind busy runners; they must not wait while none is taken.

    The broker writes into ``lock`` when a wake is due: at once, and when it is taken, after
    ``retry`` seconds, should its worker be lost.
    """
    wakes = OrmQ.objects.aggregate(oldest=Min("lock"), newest=Max("lock"))
    if wakes["oldest"] is None:
        return Finding("queue", True, "The queue is empty.")
    waited = int((now - wakes["oldest"]).total_seconds())
    taken_at = wakes["newest"] - timedelta(seconds=settings.Q_CLUSTER["retry"])
    is_moving = (now - taken_at).total_seconds() < QUEUE_SECONDS
    if waited > QUEUE_SECONDS and not is_moving:
        return Finding(
            "queue",
            False,
            f"The queue does not move: its oldest wake has waited {waited // 60} minutes, and none "
            f"was taken in the last {QUEUE_SECONDS // 60}. Start a worker, or restart the one that "
            "runs: manage.py worker",
        )
    return Finding("queue", True, "The queue moves.")


def check_tasks(now: datetime) -> Finding:
    """A task that is due is claimed soon, unless its cloud account is at its limit or resting."""
    due_before = now - timedelta(seconds=UNCLAIMED_SECONDS)
    stuck = Task.objects.filter(
        Q(lease_until=None) | Q(lease_until__lt=due_before),
        Q(cloud_account=None)
        | Q(cloud_account__busy_until=None)
        | Q(cloud_account__busy_until__lt=due_before),
        state__in=Task.STARTED,
        next_wake_at__lt=due_before,
    ).count()
    if stuck:
        return Finding(
            "tasks",
            False,
            f"{stuck} tasks have been due for more than {UNCLAIMED_SECONDS} s and no worker has "
            "taken them. Look at the workers' logs.",
        )
    return Finding("tasks", True, "Tasks that are due are taken up.")


def check_secrets() -> Finding:
    try:
        count = sum(1 for _ in CloudAccount.objects.only("secrets").iterator())
    except ImproperlyConfigured as error:
        return Finding("secrets", False, f"{error} Add the former key to SECRETS_KEYS.")
    return Finding("secrets", True, f"The secrets of {count} cloud accounts can be read.")


def check_cloud_accounts() -> Iterator[Finding]:
    """By what the workers last saw; nothing is called."""
    fields = ("name", "health", "health_detail", "last_answer_at", "customer__name")
    for row in CloudAccount.objects.order_by("customer__name", "name").values(*fields):
        label = f"{row['name']} of {row['customer__name']}"
        health = CloudAccount.Health(row["health"])
        if health == CloudAccount.Health.REACHABLE:
            yield Finding("cloud", True, f"{label} is reachable.")
        elif health == CloudAccount.Health.UNKNOWN:
            yield Finding("cloud", True, f"{label} has not been tested yet.")
        else:
            yield Finding("cloud", False, f"{label}: {health.label}. {row['health_detail']}")


def check_settings() -> Iterator[Finding]:
    """Settings that make a deployment unsafe, or mute, without stopping it."""
    debug = _either(settings.DEBUG, "DEBUG is on; switch it off.", "DEBUG is off.")
    yield Finding("debug", not settings.DEBUG, debug)
    hosts = settings.ALLOWED_HOSTS
    is_open = "*" in hosts or not hosts
    yield Finding(
        "hosts",
        not is_open,
        _either(
            is_open,
            "ALLOWED_HOSTS must name the portal's own host names, and no “*”.",
            f"Host names: {', '.join(hosts)}.",
        ),
    )
    if settings.IS_PRODUCTION:
        bad = [o for o in settings.CSRF_TRUSTED_ORIGINS if not o.startswith("https://")]
        yield Finding(
            "origins",
            not bad,
            _either(bool(bad), f"CSRF_TRUSTED_ORIGINS must be https: {bad}", "Origins are https."),
        )
        to_console = settings.EMAIL_BACKEND.endswith("console.EmailBackend")
        yield Finding(
            "mail",
            not to_console,
            _either(
                to_console,
                "Mail goes to the console; invitations reach nobody, nor do alerts. Set EMAIL_URL.",
                "Mail is sent by a server.",
            ),
        )


def _either(is_bad: bool, bad: str, good: str) -> str:
    return bad if is_bad else good
