"""What was sent with a backup that then failed or was cancelled: nothing stays at either site."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from backups.models import Backup
from portal import engine
from portal.engine.runner import Runner
from portal.lab import Fault, Lab, LabServer
from portal.models import Infrastructure, Notification, Task
from tests.matrix.recovery import Case, begin
from tests.recovery_scene import PRIMARY_CLUSTER, SECONDARY_CLUSTER
from tests.volume_scene import DESKTOP, PROFILE

pytestmark = pytest.mark.django_db
AHV, AZURE = Infrastructure.AHV, Infrastructure.AZURE
State = Task.State
ALONE, AFTER_SESSION = "backup with replication", "post-session backup"
# At 64 KiB a second ten gibibytes are under way for days.
SLOW = 2**16
MANY = 10**6
HOUR = 3600


@dataclass
class Ordered:
    """A backup whose snapshot is ordered; its task is held up until it fails or is cancelled."""

    lab: Lab
    case: Case

    @property
    def on_its_way(self) -> int:
        domains = self.lab.clusters[PRIMARY_CLUSTER].protection_domains.values()
        return sum(not each.is_aborted for one in domains for each in one.replications.values())

    @property
    def arrived(self) -> int:
        domains = self.lab.clusters[SECONDARY_CLUSTER].protection_domains.values()
        return sum(len(each.snapshots) for each in domains)

    @property
    def backup(self) -> Backup:
        assert self.case.backup
        return Backup.objects.get(pk=self.case.backup.pk)

    def until(self, is_so: Callable[[], object]) -> None:
        self.case.scene.scene.drive_until(lambda: bool(is_so()))
        assert is_so()

    def fail(self) -> None:
        self.lab.faults.clear()
        self.lab.faults.add(
            Fault("status", "GET", "dr_snapshots", PRIMARY_CLUSTER, status=422, count=1)
        )

    def cancel(self) -> None:
        self.lab.faults.clear()
        engine.cancel(self.task)

    @property
    def task(self) -> Task:
        return Task.objects.get(pk=self.case.task.pk)

    def link(self, *, is_up: bool) -> None:
        self.lab.link(PRIMARY_CLUSTER, SECONDARY_CLUSTER, is_up=is_up)

    def go_on(self, seconds: float) -> Task:
        Runner(clock=self.case.scene.scene.clock, threads=4).run(seconds=seconds)
        return self.task

    def end(self) -> Task:
        return self.case.scene.drive(self.task)

    def assert_nothing_is_left(self, state: str) -> None:
        assert (self.task.state, self.backup.status) == (state, state), self.task.steps
        assert self.case.scene.everything() == self.case.initial
        assert "may be left" not in self.backup.error
        assert self.case.scene.content == "original"


Begin = Callable[..., Ordered]


@pytest.fixture
def order(lab: Lab, lab_server: LabServer) -> Iterator[Begin]:
    """Begin a backup; once its snapshot is ordered, no look at snapshots is answered here."""

    def started(what: str = PROFILE, workflow: str = ALONE, *, kind: str = AHV) -> Ordered:
        made = Ordered(lab, begin(workflow, lab_server, lab, kind, what))
        held = Fault("status", "GET", "dr_snapshots", PRIMARY_CLUSTER, status=503, count=MANY)
        ordered = Fault(
            "call", "POST", "oob_schedules", callback=lambda: lab.faults.add(held), when="after"
        )
        lab.faults.add(ordered)
        return made

    timing = lab.clusters[PRIMARY_CLUSTER].timing
    usual = timing.replication_bytes_per_second
    yield started
    timing.replication_bytes_per_second = usual
    lab.link(PRIMARY_CLUSTER, SECONDARY_CLUSTER, is_up=True)


@pytest.mark.parametrize("what", [DESKTOP, PROFILE])
@pytest.mark.parametrize("workflow", [ALONE, AFTER_SESSION])
@pytest.mark.parametrize("is_there", [False, True], ids=["on its way", "arrived"])
@pytest.mark.parametrize(("ends", "state"), [("fail", "failed"), ("cancel", "canceled")])
def test_nothing_is_left_at_either_site(
    order: Begin, what: str, workflow: str, is_there: bool, ends: str, state: str
) -> None:
    ordered = order(what, workflow)
    if not is_there:
        ordered.lab.clusters[PRIMARY_CLUSTER].timing.replication_bytes_per_second = SLOW
    ordered.until(lambda: ordered.arrived if is_there else ordered.on_its_way)
    getattr(ordered, ends)()
    ordered.end()
    ordered.assert_nothing_is_left(state)


@pytest.mark.parametrize("is_there", [False, True], ids=["on its way", "arrived"])
def test_it_is_taken_back_though_no_removal_is_ever_answered_at_first(
    order: Begin, is_there: bool
) -> None:
    ordered = order()
    if not is_there:
        ordered.lab.clusters[PRIMARY_CLUSTER].timing.replication_bytes_per_second = SLOW
    ordered.until(lambda: ordered.arrived if is_there else ordered.on_its_way)
    ordered.cancel()
    # Each acts; each looks as if it had not.
    ordered.lab.faults.add(Fault("drop_after", "DELETE", count=2))
    ordered.end()
    ordered.assert_nothing_is_left("canceled")


def test_what_waits_for_a_link_that_is_cut_is_broken_off_when_it_is_back(order: Begin) -> None:
    ordered = order()
    ordered.link(is_up=False)
    ordered.until(lambda: ordered.on_its_way)
    ordered.cancel()
    task = ordered.go_on(HOUR)
    assert (task.state, task.step) == (State.CANCELING, "stop_sending")
    assert "waits to be sent" in task.message
    ordered.link(is_up=True)
    ordered.end()
    ordered.assert_nothing_is_left("canceled")


def test_a_desktop_is_on_again_before_a_link_that_is_cut_is_back(order: Begin) -> None:
    ordered = order(DESKTOP, AFTER_SESSION)
    ordered.link(is_up=False)
    ordered.until(lambda: ordered.on_its_way)
    ordered.fail()
    assert ordered.go_on(HOUR).step == "stop_sending"
    scene = ordered.case.scene
    assert scene.scene.site.power(scene.resource.external_id) == "on"
    ordered.link(is_up=True)
    ordered.end()
    ordered.assert_nothing_is_left("failed")


def test_a_link_that_stays_cut_is_told_plainly(order: Begin) -> None:
    ordered = order()
    ordered.link(is_up=False)
    ordered.until(lambda: ordered.on_its_way)
    ordered.fail()
    assert ordered.end().state == State.FAILED
    assert f"may be left at {SECONDARY_CLUSTER}" in ordered.backup.error
    assert Notification.objects.filter(body__contains="may be left at").count() == 1


def test_a_secondary_that_cannot_be_reached_is_waited_for(order: Begin) -> None:
    ordered = order()
    ordered.until(lambda: ordered.arrived)
    ordered.cancel()
    ordered.lab.faults.add(Fault("drop_before", cluster=SECONDARY_CLUSTER, count=MANY))
    task = ordered.go_on(HOUR)
    assert (task.state, task.step) == (State.CANCELING, "take_back")
    ordered.lab.faults.clear()
    ordered.end()
    ordered.assert_nothing_is_left("canceled")
    assert not Notification.objects.filter(task=task).exists()


def test_a_secondary_that_stays_away_is_told_plainly_and_holds_nothing_up(order: Begin) -> None:
    ordered = order()
    ordered.until(lambda: ordered.arrived)
    ordered.cancel()
    ordered.lab.faults.add(Fault("drop_before", cluster=SECONDARY_CLUSTER, count=MANY))
    clock = ordered.case.scene.scene.clock
    before = clock.now()
    assert ordered.end().state == State.CANCELED
    assert (clock.now() - before).total_seconds() < 5 * HOUR
    told = Notification.objects.get(task=ordered.task)
    assert f"may be left at {SECONDARY_CLUSTER}; the reconciliation" in told.body
    # Here, nothing is left.
    left = ordered.case.scene.everything() - ordered.case.initial
    assert {each.partition(" ")[0] for each in left} == {SECONDARY_CLUSTER}


def test_a_task_of_before_this_release_cleans_up_here_alone(order: Begin) -> None:
    ordered = order()
    Task.objects.filter(pk=ordered.task.pk).update(other_cloud_account=None)
    ordered.until(lambda: ordered.arrived)
    ordered.cancel()
    assert ordered.end().state == State.CANCELED
    left = ordered.case.scene.everything() - ordered.case.initial
    assert {each.partition(" ")[0] for each in left} == {SECONDARY_CLUSTER}


@pytest.mark.parametrize("what", [DESKTOP, PROFILE])
def test_on_azure_nothing_was_sent_and_nothing_is_asked_for(order: Begin, what: str) -> None:
    ordered = order(what, kind=AZURE)
    ordered.until(lambda: "copy" in {each["name"] for each in ordered.task.steps})
    ordered.cancel()
    task = ordered.end()
    ordered.assert_nothing_is_left("canceled")
    stands = {each["name"]: each["state"] for each in task.steps if each.get("cleanup")}
    assert stands == {"stop_sending": "done", "remove_copy": "done", "take_back": "skipped"}
