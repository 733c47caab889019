"""The portal's own database is put back from an older copy: nothing at a cloud is lost by that."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, time, timedelta
from io import StringIO
from pathlib import Path

import psycopg
import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from backups.models import Backup, BackupPolicy
from disaster_recovery import settling
from disaster_recovery.models import Discrepancy
from portal import copies
from portal.audit import SYSTEM
from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from portal.models import AuditEntry, Infrastructure, Task
from tests.postgres import newest_binaries
from tests.recovery_scene import SERVER, RecoveryScene, build_recovery
from tests.volume_scene import DESKTOP

pytestmark = pytest.mark.django_db(transaction=True)
AHV, AZURE = Infrastructure.AHV, Infrastructure.AZURE


@pytest.fixture(autouse=True)
def programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """PostgreSQL's programs are of the newest version: older ones refuse a newer server."""
    monkeypatch.setenv("PATH", f"{newest_binaries()}{os.pathsep}{os.environ['PATH']}")


@contextmanager
def _another_database(tmp_path: Path) -> Iterator[None]:
    """Within this the product's database is a new one, without any table."""
    former = connection.settings_dict["NAME"]
    # Its own of each process that tests.
    name = f"{former}_put_back"
    is_server = connection.vendor == "postgresql"
    if is_server:
        with connection.cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            cursor.execute(f"CREATE DATABASE {name}")
    connection.close()
    connection.settings_dict["NAME"] = name if is_server else str(tmp_path / "other.sqlite3")
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = former
        if is_server:
            with connection.cursor() as cursor:
                cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def _copy(folder: Path) -> Path:
    call_command("backup_database", folder=folder, stdout=StringIO())
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    return path


def _put_back(path: Path) -> str:
    said = StringIO()
    call_command("restore_database", path, stdout=said)
    return said.getvalue()


def _begin(scene: RecoveryScene, what: str, first: Backup) -> Task:
    """Have a task under way, in the middle of what it does at the cloud."""
    if what == "restore":
        task, step = scene.begin_to_restore(first, from_replica=False), "swap"
    elif what == "delete":
        task, step = scene.begin_to_delete(first), "remove"
    else:
        begun = scene.begin_backup("Under way").task
        assert begun
        task, step = begun, "copy"

    def is_there() -> bool:
        return Task.objects.filter(pk=task.pk, step=step).exists()

    scene.scene.drive_until(is_there)
    assert is_there()
    return task


@pytest.mark.parametrize(
    ("kind", "what", "under_way"),
    [
        (AHV, SERVER, "create"),
        (AHV, SERVER, "restore"),
        (AZURE, SERVER, "delete"),
        (AZURE, DESKTOP, "restore"),
    ],
)
def test_what_was_done_since_the_copy_stays_done(
    kind: str, what: str, under_way: str, lab: Lab, lab_server: LabServer, tmp_path: Path
) -> None:
    scene = build_recovery(lab_server, lab, kind=kind, what=what, is_on=False)
    first, gone = scene.backup("First"), scene.backup("Gone later")
    task = _begin(scene, under_way, first)
    copy = _copy(tmp_path / "copies")
    # The portal goes on: that task ends, a day's work is done, a backup is deleted, one made.
    scene.drive(task)
    scene.write("a day's work")
    scene.delete(gone)
    scene.backup("Made later")
    there, content = scene.everything(), scene.content
    kept = set(Backup.objects.ready().values_list("external_id", flat=True))
    with _another_database(tmp_path):
        said = _put_back(copy)
        assert "1 tasks that were under way are ended" in said
        task.refresh_from_db()
        assert (task.state, "older copy" in task.error) == (Task.State.FAILED, True)
        gone.refresh_from_db()
        assert (gone.status, "was removed there" in gone.error) == (Backup.Status.FAILED, True)
        for found in Discrepancy.objects.filter(kind=Discrepancy.Kind.COPY).open():
            settling.adopt(SYSTEM, found)
        # Whatever a worker finds to do, it does not touch what is there.
        Runner(clock=scene.scene.clock, threads=4).run(seconds=3600)
        assert not Task.objects.active().exists()
        assert (scene.everything(), scene.content) == (there, content)
        assert set(Backup.objects.ready().values_list("external_id", flat=True)) == kept
        if under_way == "create":
            # It has its name again, and not only its copy.
            assert Backup.objects.get(task=task).is_ready
        newest = Backup.objects.ready().latest("created_at")
        assert scene.restore(newest, from_replica=False).state == Task.State.DONE


def _schedule(scene: RecoveryScene, due: datetime) -> BackupPolicy:
    return BackupPolicy.objects.create(
        resource=scene.resource, is_scheduled=True, backup_time=time(2),
        starts_on=due.date() - timedelta(days=3), next_run_at=due,
    )  # fmt: skip


def test_runs_that_were_due_meanwhile_are_not_made_again(
    lab: Lab, lab_server: LabServer, tmp_path: Path
) -> None:
    scene = build_recovery(lab_server, lab, kind=AHV, what=SERVER, is_on=False)
    policy = _schedule(scene, timezone.now() - timedelta(hours=1))
    Session.objects.create(session_key="k" * 32, session_data="", expire_date=timezone.now())
    copy = _copy(tmp_path / "copies")
    with _another_database(tmp_path):
        said = _put_back(copy)
        assert "1 schedules go on with their next run" in said
        policy.refresh_from_db()
        assert policy.next_run_at
        assert timezone.now() < policy.next_run_at < timezone.now() + timedelta(days=1)
        assert not Session.objects.exists()
        assert AuditEntry.objects.filter(action="database.put_back").count() == 1
        # Nothing more is left to settle.
        again = StringIO()
        call_command("after_restore", no_compare=True, stdout=again)
        assert "0 tasks that were under way are ended, 0 schedules" in again.getvalue()


def test_only_an_empty_database_is_filled(tmp_path: Path) -> None:
    copy = _copy(tmp_path / "copies")
    with pytest.raises(CommandError, match=r"Nothing was put back\. The database is not empty"):
        _put_back(copy)
    with _another_database(tmp_path):
        with pytest.raises(CommandError, match="There is no file"):
            _put_back(tmp_path / "missing")
        broken = tmp_path / "broken"
        broken.write_bytes(copy.read_bytes()[: copy.stat().st_size // 3])
        with pytest.raises(CommandError, match="Nothing was put back"):
            _put_back(broken)
        assert not connection.introspection.table_names()


def test_nothing_is_put_back_while_a_worker_is_connected(tmp_path: Path) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite knows of no connections")
    copy = _copy(tmp_path / "copies")
    with _another_database(tmp_path):
        connection.ensure_connection()
        given = connection.get_connection_params()
        words = {name: given[name] for name in ("host", "user", "dbname") if name in given}
        with (
            psycopg.connect(**words),
            pytest.raises(CommandError, match="1 other programs are connected"),
        ):
            _put_back(copy)


def test_the_newest_copies_are_kept(tmp_path: Path) -> None:
    begin = timezone.now()
    made = [copies.take_copy(tmp_path, begin + timedelta(days=day)) for day in range(3)]
    (tmp_path / "standby.env").touch()
    assert copies.drop_old_copies(tmp_path, 2) == made[:1]
    assert {each.name for each in tmp_path.iterdir()} == {
        made[1].name, made[2].name, "standby.env",
    }  # fmt: skip


def test_a_copy_without_the_programs_says_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite needs no programs")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CommandError, match="pg_dump is not on the PATH"):
        call_command("backup_database", folder=tmp_path / "copies")
    assert not list((tmp_path / "copies").iterdir())
