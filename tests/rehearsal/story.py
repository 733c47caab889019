"""What happens in the rehearsal, one scene after the other."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

from django.db import DatabaseError, connections
from django.utils import timezone

from backups import services
from backups.models import Backup
from portal.audit import SYSTEM
from portal.lab import Fault, Lab, LabServer
from portal.lab.seed import LONDON
from portal.models import (
    Account,
    AuditEntry,
    Heartbeat,
    Resource,
    Role,
    RoleGrant,
    Task,
    User,
)
from portal.notify import Kind, Level
from portal.notify import tell as tell_people
from tests.desktops import account_with_desktops
from tests.postgres import PrivateServer
from tests.rehearsal import network
from tests.rehearsal.disk import Disk
from tests.rehearsal.servers import (
    Running,
    listening,
    start_proxy,
    start_web,
    start_worker,
    visitors,
)

MANY = 40
MOST_SECONDS = 300
# Of two kilobytes each: more than a server has room left for in what it has laid out.
MOST_NOTES = 50_000
EMAIL, PASSWORD = "ada@example.org", "correct horse battery"
WORKERS = ("worker-a", "worker-b")


def _say(text: str) -> None:
    print(f"  ok  {text}", flush=True)


def _require(is_so: object, what: str) -> None:
    if not is_so:
        raise SystemExit(f"WRONG  {what}")


def _until(is_so: Callable[[], bool], what: str) -> float:
    """Wait until it is so; return after how many seconds."""
    begun, pause = time.monotonic(), Event()
    while not is_so():
        _require(time.monotonic() - begun < MOST_SECONDS, f"after {MOST_SECONDS} s: {what}")
        pause.wait(0.1)
    return time.monotonic() - begun


def tell(folder: Path, environment: dict[str, str], database: PrivateServer, disk: Disk) -> None:
    """Start everything, then play each scene; nothing of it is left afterwards."""
    lab = Lab.empty()
    cluster = lab.clusters[LONDON]
    cluster.timing.domain_snapshot_seconds = 4.0
    names = [f"pd-{number:02}" for number in range(MANY)]
    said = "frame: kind=persistent-desktop user="
    machines = {n: cluster.add_vm(n, power="off", description=said + n).uuid for n in names}
    running = Running(folder, environment)
    web = folder / "web.sock"
    with LabServer(lab, directory=folder / "lab", host=network.HUB) as server:
        # As far away as a cloud may be.
        lab.faults.add(Fault("slow", delay=0.05, count=10**9))
        stage = Stage(lab, running, _account(server, machines))
        folder.chmod(0o755)
        try:
            with listening(web) as opened:
                start_web(running, opened)
                ca = start_proxy(running, web)
                for name in WORKERS:
                    start_worker(running, name)
                _until(lambda: _beating() == set(WORKERS), "both workers look for work")
                path = f"/accounts/{stage.account.pk}/"
                with visitors(ca, EMAIL, PASSWORD, path) as people:
                    _at_the_door(people)
                    stage.both_work()
                    stage.cable_is_pulled()
                    stage.cable_is_back()
                    stage.rolling(lambda: start_web(running, opened))
                    _as_people_saw_it(people)
                with visitors(ca, EMAIL, PASSWORD, path) as people:
                    _await_signed_in(people)
                    stage.disk_is_full(database, disk)
                    _as_people_saw_the_full_disk(people)
        except BaseException:
            _show_logs(running)
            raise
        finally:
            running.stop_all()
    lab.close()
    print("The rehearsal went well.", flush=True)


def _account(server: LabServer, machines: dict[str, str]) -> Account:
    account = account_with_desktops(server.urls[LONDON], server.ca_pem, machines)
    user = User.objects.create_user(EMAIL, PASSWORD)
    customer = account.organization.customer
    RoleGrant.objects.create(user=user, role=Role.CUSTOMER_ADMINISTRATOR, customer=customer)
    return account


def _beating(seconds: float = 120) -> set[str]:
    """Hosts with a sign of life in the last seconds."""
    since = timezone.now() - timedelta(seconds=seconds)
    return set(Heartbeat.objects.filter(at__gt=since).values_list("host", flat=True))


def _at_the_door(people: subprocess.Popen[str]) -> None:
    assert people.stdout
    line = people.stdout.readline()
    _require(line, "people can sign in")
    saw = json.loads(line)
    _require(saw["plain"] == [301, "https://standby.example.org/"], f"redirect: {saw['plain']}")
    _say("http is led to https")
    _require("max-age=31536000" in saw["hsts"], f"HSTS: {saw['hsts']}")
    _say(f"Strict-Transport-Security: {saw['hsts']}")
    _require(saw["signed_in"] == 302 and all(saw["cookies"].values()), str(saw))
    _require({"__Host-sessionid", "__Host-csrftoken"} <= set(saw["cookies"]), str(saw))
    _say(f"cookies are for TLS alone: {', '.join(sorted(saw['cookies']))}")
    _require(saw["readyz"] == 403, f"/readyz is closed to people: {saw['readyz']}")
    _say("/readyz is closed to people")
    entry = AuditEntry.objects.get(action="user.signed_in")
    _require(entry.source == network.HOSTS["people"], f"audit: {entry.source}")
    _say(f"the audit trail has {entry.source}, not the X-Forwarded-For that was forged")


def _await_signed_in(people: subprocess.Popen[str]) -> None:
    assert people.stdout
    saw = json.loads(people.stdout.readline())
    _require(saw["signed_in"] == 302, f"people can sign in: {saw}")


def _end(people: subprocess.Popen[str]) -> dict[str, Any]:
    """Let them go; return what they saw."""
    assert people.stdin
    assert people.stdout
    people.stdin.write("end\n")
    people.stdin.flush()
    saw: dict[str, Any] = json.loads(people.stdout.readline())
    return saw


def _as_people_saw_it(people: subprocess.Popen[str]) -> None:
    saw = _end(people)
    _require(set(saw["answers"]) == {"200"}, f"people saw {saw['answers']}")
    _say(
        f"people saw {saw['answers']['200']} pages, none failed; the slowest {saw['slowest']:.1f} s"
    )


def _as_people_saw_the_full_disk(people: subprocess.Popen[str]) -> None:
    saw = _end(people)
    _require(set(saw["answers"]) <= {"200", "503"}, f"people saw {saw['answers']}")
    _say(f"people saw {saw['answers']} meanwhile; the 503 said {saw['titles']}")


def _show_logs(running: Running) -> None:
    for path in sorted(running.folder.glob("*.log")):
        print(f"--- {path.name}\n{path.read_text()[-3000:]}", flush=True)


class Stage:
    """The account whose desktops are backed up, round after round."""

    def __init__(self, lab: Lab, running: Running, account: Account) -> None:
        self.lab, self.running, self.account = lab, running, account
        self.rounds = 0

    def _begin(self) -> None:
        """Ask for a backup of each desktop."""
        self.rounds += 1
        for resource in Resource.objects.filter(account=self.account):
            services.create_volume_backup(SYSTEM, resource, name=f"Round {self.rounds}")

    def _tasks(self) -> Any:
        return Task.objects.filter(kind="create_volume_backup", subject=f"Round {self.rounds}")

    def _active(self) -> int:
        return int(Task.objects.active().filter(kind="create_volume_backup").count())

    def _await_end(self) -> float:
        seconds = _until(lambda: not self._active(), "tasks end")
        ready = Backup.objects.filter(account=self.account).ready().count()
        _require(ready == MANY * self.rounds, f"{ready} good backups, {MANY * self.rounds} wanted")
        domains = self.lab.clusters[LONDON].protection_domains.values()
        snapshots = sorted({len(domain.snapshots) for domain in domains})
        _require(len(domains) == MANY and snapshots == [self.rounds], f"at the cloud: {snapshots}")
        return seconds

    def _holders(self) -> dict[str, int]:
        """How many tasks each host has under way."""
        found: dict[str, int] = {}
        owners = Task.objects.active().exclude(lease_owner="").values_list("lease_owner", flat=True)
        for owner in owners:
            host = owner.partition(":")[0]
            found[host] = found.get(host, 0) + 1
        return found

    def both_work(self) -> None:
        seen: set[str] = set()
        self._begin()

        def both() -> bool:
            seen.update(self._holders())
            return set(WORKERS) <= seen or not self._active()

        _until(both, "both hosts have tasks")
        seconds = self._await_end()
        _say(f"{MANY} backups, tasks held by {' and '.join(sorted(seen))}, {seconds:.0f} s")

    def cable_is_pulled(self) -> None:
        """In the midst of a round; what the host held is taken over when its leases run out."""
        victim = WORKERS[1]
        held: list[Any] = []
        for _ in range(5):
            self._begin()
            _until(lambda: victim in self._holders() or not self._active(), "it holds a task")
            network.cut(victim)
            rows = Task.objects.active().filter(lease_owner__startswith=f"{victim}:")
            held = list(rows.values_list("pk", flat=True))
            if held:
                break
            network.mend(victim)
            self._await_end()
        _require(held, "the host holds tasks when it is cut off")
        seconds = self._await_end()
        # It could end none of them itself: its last word had been said.
        done = Task.objects.filter(pk__in=held, state=Task.State.DONE).count()
        _require(done == len(held), "what it held was taken over")
        _say(
            f"{victim} cut off with {done} tasks in hand: taken over when their leases had run "
            f"out, all {MANY} done after {seconds:.0f} s, none twice at the cloud"
        )

    def cable_is_back(self) -> None:
        victim, at = WORKERS[1], timezone.now()
        network.mend(victim)

        def beats() -> bool:
            return Heartbeat.objects.filter(host=victim, at__gt=at).exists()

        begun = time.monotonic()
        for _ in range(5):
            # A wake for each task: some of them reach that host.
            self._begin()
            _until(lambda: beats() or not self._active(), "the host works again")
            self._await_end()
            if beats():
                break
        _require(beats(), "the host that was cut off works again")
        _say(f"{victim} is back and works again, within {time.monotonic() - begun:.0f} s")

    def rolling(self, start: Callable[[], None]) -> None:
        """Every process is replaced while tasks run and people read."""
        self.lab.clusters[LONDON].timing.domain_snapshot_seconds = 40.0
        self._begin()
        master = self.running.processes["web"]
        os.kill(master.pid, signal.SIGHUP)
        _until(lambda: self.running.log("web").count("Booting worker") >= 4, "web has new workers")
        _say("web: SIGHUP, both workers replaced")
        for name in WORKERS:
            _require(self._active(), "tasks are under way")
            self.running.stop(name)
            start_worker(self.running, name)
            _say(f"{name}: SIGTERM, ended in order, started again")
        begun = time.monotonic()
        self.running.stop("web")
        start()
        _until(lambda: self.running.log("web").count("Booting worker") >= 6, "web is up again")
        _say(f"web: restarted behind its socket, {time.monotonic() - begun:.1f} s")
        seconds = self._await_end()
        states = set(self._tasks().values_list("state", flat=True))
        _require(states == {Task.State.DONE}, f"states {states}")
        _say(f"{MANY} tasks were under way meanwhile: all done, none twice, {seconds:.0f} s later")

    def disk_is_full(self, database: PrivateServer, disk: Disk) -> None:
        """Nothing fits any more, in the midst of a round; then there is room again."""
        self._begin()
        disk.fill()
        error = self._work_until_refused()
        _say(f"the disk of the database is full: {error}")
        disk.make_room()
        if database.has_ended:
            database.start()
            _say("the server had ended by it, and was started again")
        connections.close_all()
        seconds = _until(lambda: not self._active(), "tasks end")
        backups = Backup.objects.filter(account=self.account)
        states = set(backups.values_list("status", flat=True))
        _require(states == {Backup.Status.READY}, f"backups: {states}")
        domains = self.lab.clusters[LONDON].protection_domains.values()
        taken = sum(len(domain.snapshots) for domain in domains)
        _require(taken == backups.count(), f"{backups.count()} backups, {taken} at the cloud")
        _say(f"room was made: all {taken} backups good, none twice, {seconds:.0f} s later")

    def _work_until_refused(self) -> str:
        """Write more and more; return the database's first word that it cannot."""
        for number in range(MOST_NOTES):
            try:
                tell_people(
                    self.account,
                    Level.INFO,
                    f"Note {number}",
                    os.urandom(900).hex(),
                    kind=Kind.BACKUP,
                )
            except DatabaseError as error:
                return " ".join(str(error).split())
        raise SystemExit("WRONG  a full disk refuses nothing")
