"""The run itself: life and blows for so many minutes, a time to settle, then the judgement."""

from __future__ import annotations

import threading
import time
from collections import Counter
from datetime import UTC, datetime, timedelta

from django.db import Error, connections

from portal.audit import SYSTEM
from portal.models import CloudAccount, Task
from portal.services.cloud_accounts import synchronise
from tests.soak import sites
from tests.soak.broker import Broker
from tests.soak.clock import Clock
from tests.soak.faults import Faults
from tests.soak.judge import Judge
from tests.soak.logs import unexpected
from tests.soak.people import Crowd
from tests.soak.plan import dice
from tests.soak.report import Check, table
from tests.soak.traffic import Traffic
from tests.soak.watch import Watch
from tests.soak.world import World

# After the last blow, so long may it take until nothing is under way; a part of a long run more. A
# snapshot that was sent and has not arrived is waited for ten minutes.
SETTLE_SECONDS = 900.0
LOOK_SECONDS = 300.0
# By then a process has had work of each kind.
WARM_SECONDS = 180.0
# A runner compares a whole cluster with the records, 17,000 things here: 130 MiB of it.
MOST_MIB = {"web": 200.0, "runner": 400.0}
LONG_MINUTES = 10
WANTED = {
    "create_backup", "create_volume_backup", "create_volume_backup_after_session",
    "backup_volumes", "post_session_backup", "restore_backup", "restore_volume_backup",
    "delete_backup", "delete_volume_backup", "replicate_backup", "reconcile", "sync_inventory",
}  # fmt: skip
DATABASE_OR_WEB = ("database", "kill_web")


def run(world: World) -> list[Check]:
    """Let everything happen; return what was found at the end."""
    clock = Clock()
    traffic = Traffic(world.options.rate, clock)
    crowd = Crowd(world, clock, traffic, {})
    broker = Broker(world, clock, traffic, dice(world.options, "broker"))
    faults, watch = Faults(world, clock), Watch(world, clock)
    threads = [*crowd.threads(), broker.thread(), faults.thread()]
    died: list[str] = []
    threading.excepthook = lambda how: died.append(f"{how.exc_type.__name__}: {how.exc_value}")
    for thread in threads:
        thread.start()
    _live(world, clock)
    clock.ended.set()
    for thread in threads:
        thread.join(120)
    ended = clock.now()
    faults.lift()
    _settle(world)
    _look_again()
    settled = clock.now()
    watch.stop()
    for worker in world.workers:
        worker.stop()
    judge = Judge(world, sites.read(world.lab.save()), broker)
    done = judge.checks()
    world.web.stop()
    levels, lines = unexpected([each.log for each in world.services], clock)
    done += [
        Check("everybody lived to the end", len(threads), died),
        Check("all that can be done was done", len(WANTED), _undone(world)),
        Check("no unexpected line in a log", sum(levels.values()), lines),
        Check("no unexpected answer", sum(traffic.statuses.values()), _odd(traffic, clock)),
        Check("no request repeated by its name started twice", 1, crowd.program.doubled),
        Check("memory bounded", len(watch.lives), _large(watch)),
    ]
    _print(world, crowd, broker, faults, watch, traffic, levels, ended, settled)
    return done


def _live(world: World, clock: Clock) -> None:
    """Wait to the end, saying how it goes; move some schedules' next runs into the run."""
    end = world.options.minutes * 60
    while clock.sleep_until(min(end, clock.now() + 30)) and clock.now() < end:
        try:
            active = Task.objects.active().count()
        except Error:
            connections.close_all()
            continue
        print(f"  {clock.now():5.0f} s: {active} tasks under way", flush=True)


def _settle(world: World) -> None:
    """Wait until nothing is under way and no run is due, or the time for that is up."""
    until = time.monotonic() + max(SETTLE_SECONDS, world.options.minutes * 30)
    connections.close_all()
    quiet = 0
    while time.monotonic() < until and quiet < 3:
        active = Task.objects.active().count()
        now = datetime.now(UTC)
        due = any(now - timedelta(seconds=70) < run <= now for _, run in world.runs)
        quiet = quiet + 1 if not active and not due else 0
        if int(until - time.monotonic()) % 30 < 2:
            print(f"  settling: {active} tasks under way", flush=True)
        time.sleep(2)
    print(f"  {Task.objects.active().count()} tasks under way after settling", flush=True)


def _look_again() -> None:
    """Synchronise every inventory, by the workers: records are compared with it."""
    tasks = []
    for cloud in CloudAccount.objects.all():
        running = Task.objects.active().filter(kind="sync_inventory", cloud_account=cloud)
        tasks.append((running.first() or synchronise(SYSTEM, cloud)).pk)
    until = time.monotonic() + LOOK_SECONDS
    while Task.objects.active().filter(pk__in=tasks).exists() and time.monotonic() < until:
        time.sleep(0.5)


def _undone(world: World) -> list[str]:
    """Kinds of task of which none ended well: then nothing was tried. A short run has no time."""
    if world.options.minutes < LONG_MINUTES:
        return []
    done = set(Task.objects.filter(state=Task.State.DONE).values_list("kind", flat=True))
    return sorted(WANTED - done)


def _odd(traffic: Traffic, clock: Clock) -> list[str]:
    """Answers that no restart explains."""
    return [
        f"{what} at {at:.0f} s: {status or 'none'}"
        for at, status, what in traffic.odd
        if not clock.excused(at, DATABASE_OR_WEB)
    ]


def _large(watch: Watch) -> list[str]:
    """Processes that took more than their work needs; whether it grows is `bulk_backup`'s to tell.

    Here a runner lives for minutes, and grows when its first bulk backup or comparison comes.
    """
    return [
        f"{life.role} {pid}: {life.peak:.0f} MiB after {life.seconds:.0f} s"
        for (pid, _), life in watch.lives.items()
        if life.peak > MOST_MIB[life.role]
    ]


def _print(
    world: World, crowd: Crowd, broker: Broker, faults: Faults, watch: Watch, traffic: Traffic,
    levels: Counter[str], ended: float, settled: float,
) -> None:  # fmt: skip
    by: Counter[str] = Counter()
    for kind, state in Task.objects.values_list("kind", "state"):
        by[f"{kind}: {state}"] += 1
    table("Tasks by kind and outcome", sorted(by.items()))
    failed = Task.objects.filter(state=Task.State.FAILED).values_list("kind", "error")
    shapes = Counter(f"{kind}: {error[:150]}" for kind, error in failed)
    table("Why tasks failed", ((f"{times} times", what) for what, times in shapes.most_common(15)))
    table("Blows struck", sorted(faults.done.items()))
    if faults.missed:
        table("Blows that met nothing", sorted(faults.missed.items()))
    table("What people and programs did", sorted(crowd.tally.items()))
    table("What the broker told", sorted(broker.told.items()))
    table("Requests by status", sorted(traffic.statuses.items()))
    growths = [g for life in watch.lives.values() if (g := life.growth(WARM_SECONDS)) is not None]
    table(
        "Figures",
        [
            ("life, settling, in s", f"{ended:.0f}, {settled - ended:.0f}"),
            ("tasks", Task.objects.count()),
            ("requests", len(traffic.seconds)),
            ("answered within, p50 p95 p99, in s", " ".join(
                f"{traffic.percentile(share):.2f}" for share in (0.5, 0.95, 0.99))),
            *((f"largest {role}, in MiB", f"{peak:.0f}") for role, peak in watch.peaks().items()),
            ("growth after warm-up, largest, in MiB",
             f"{max(growths):.0f} of {len(growths)}" if growths else "none lived so long"),
            *((f"lines of {name}", count) for name, count in sorted(levels.items())),
        ],
    )  # fmt: skip
