"""Fourteen days by the lab's clock: what runs, what is kept, and what is left at the cloud."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from backups import policies, scheduler, services
from backups.models import Backup, BackupPolicy
from backups.policies import Wanted
from portal.audit import SYSTEM
from portal.engine.clock import using
from portal.lab import Lab, LabServer
from portal.models import Infrastructure, Task
from tests.scene import Scene, build

DAYS = 14
KEEP = 3
LONDON = ZoneInfo("Europe/London")
# The clocks go forward on 28 March 2027 at 01:00 and back on 31 October at 02:00:
# the time of day is once in the gap, once there twice.
TIME = time(1, 30)
CHANGES = {"forward": date(2027, 3, 28), "back": date(2027, 10, 31)}


@pytest.fixture
def lab_server(db: None, lab_directory: Path) -> Iterator[LabServer]:
    with LabServer(Lab.empty(), directory=lab_directory) as server:
        yield server


def scene_in(server: LabServer, kind: str, day: date) -> Scene:
    """A running server on that day at noon, by every clock."""
    noon = datetime.combine(day, time(12), UTC)
    server.lab.clock.advance((noon - server.lab.clock.now()).total_seconds())
    return build(server, server.lab, kind=kind)


def live_through(scene: Scene, days: int) -> None:
    """Let every run of so many days come, and each run every task to its end."""
    for _ in range(days):
        due = BackupPolicy.objects.get().next_run_at
        assert due is not None
        scene.clock.advance((due - scene.clock.now()).total_seconds())
        scheduler.start_due(scene.clock.now())
        while task := Task.objects.active().first():
            scene.drive(task)


def made(scene: Scene) -> list[Backup]:
    """Every scheduled backup there ever was, the oldest first."""
    backups = Backup.objects.filter(resource=scene.resource, type=Backup.Type.SCHEDULED)
    return list(backups.order_by("due_at"))


@pytest.mark.parametrize("direction", CHANGES)
@pytest.mark.parametrize("kind", [Infrastructure.AHV, Infrastructure.AZURE])
def test_two_weeks_make_a_run_a_day_and_keep_what_should_be_kept(
    lab_server: LabServer, kind: str, direction: str
) -> None:
    first = CHANGES[direction] - timedelta(days=7)
    scene = scene_in(lab_server, kind, first - timedelta(days=1))
    with using(scene.clock):
        wanted = Wanted(True, TIME, "Europe/London", KEEP, 2)
        policies.save_policy(SYSTEM, scene.resource, wanted)
        assert not Task.objects.exists()  # R076
        manual = services.create_backup(SYSTEM, scene.resource, name="By hand", may_power_off=True)
        scene.drive(manual.task)
        live_through(scene, 4)
        services.pin_backup(SYSTEM, made(scene)[-1])
        live_through(scene, DAYS - 4)

    runs = [backup.due_at for backup in made(scene) if backup.due_at]
    days = [run.astimezone(LONDON).date() for run in runs]
    assert days == [first + timedelta(days=n) for n in range(DAYS)]
    offsets = {run.astimezone(LONDON).utcoffset() for run in runs}
    assert offsets == {timedelta(0), timedelta(hours=1)}
    kept = [n for n, backup in enumerate(made(scene)) if backup.is_ready]
    assert kept == [3, *range(DAYS - KEEP, DAYS)]  # the pinned one, and the last three
    manual.refresh_from_db()
    assert manual.is_ready
    assert not Task.objects.exclude(state=Task.State.DONE).exists()
    scene.assert_in_order("original")
