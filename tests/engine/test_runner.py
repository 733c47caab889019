"""The course of a task through the runner."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from portal import engine
from portal.clouds.api import CloudBusy, CloudRefused, CloudUnreachable
from portal.engine import claims
from portal.engine.course import MAX_CRASHES
from portal.engine.runner import Runner
from portal.engine.workflow import Later
from portal.models import Heartbeat, Task
from portal.refusals import Refused
from tests.clock import JumpClock
from tests.engine.conftest import Script

Run = Callable[[Task], Task]
State = Task.State


def test_steps_run_in_order_and_the_task_is_done(trial: Task, run: Run, script: Script) -> None:
    run(trial)
    assert trial.state == State.DONE
    assert script.calls == ["first", "second"]
    assert trial.memory == {"first_ran": True, "second_ran": True}
    assert [record["state"] for record in trial.steps] == ["done", "done"]
    assert (trial.percent, script.ended) == (100, ["done"])
    assert trial.started_at
    assert trial.ended_at
    assert trial.lease_owner == ""


def test_a_step_that_waits_is_asked_again(trial: Task, run: Run, script: Script) -> None:
    script.answers["first"] = [Later(30, "Not yet"), Later(30)]
    run(trial)
    assert script.calls == ["first", "first", "first", "second"]
    assert trial.state == State.DONE


@pytest.mark.parametrize("error", [CloudBusy("busy"), CloudUnreachable("no answer")])
def test_a_passing_fault_is_tried_again(
    trial: Task, run: Run, script: Script, error: Exception
) -> None:
    script.answers["second"] = [error] * 5
    run(trial)
    assert trial.state == State.DONE
    assert script.calls.count("second") == 6
    assert script.calls.count("first") == 1


def test_busy_waits_as_long_as_the_cloud_asks(
    trial: Task, run: Run, script: Script, clock: JumpClock
) -> None:
    script.answers["first"] = [CloudBusy("later", retry_after=300)]
    before = clock.now()
    run(trial)
    assert clock.now() - before >= timedelta(seconds=300)


def test_a_refusal_fails_the_task_after_cleaning_up(trial: Task, run: Run, script: Script) -> None:
    script.answers["second"] = [CloudRefused("The container is full.", advice="Free some space.")]
    run(trial)
    assert trial.state == State.FAILED
    assert script.calls == ["first", "second", "tidy"]
    assert trial.error == "Second: The container is full."
    assert trial.advice == "Free some space."
    assert script.ended == ["failed"]


def test_a_clean_up_that_is_refused_goes_on_until_it_succeeds(
    trial: Task, run: Run, script: Script
) -> None:
    script.answers["first"] = [CloudRefused("no")]
    script.answers["tidy"] = [CloudRefused("locked")] * 4
    run(trial)
    assert script.calls.count("tidy") == 5
    assert trial.state == State.FAILED


def test_a_clean_up_ends_at_its_deadline_whatever_happens(
    trial: Task, run: Run, script: Script
) -> None:
    script.answers["first"] = [CloudRefused("no")]
    script.answers["tidy"] = [CloudRefused("locked")] * 100_000
    run(trial)
    assert trial.state == State.FAILED
    assert trial.steps[-1]["state"] == "timed out"


def test_a_broken_step_is_tried_twice_then_fails(trial: Task, run: Run, script: Script) -> None:
    script.answers["first"] = [ZeroDivisionError("oops")] * 2
    run(trial)
    assert trial.state == State.FAILED
    assert "internal error" in trial.error
    assert "ZeroDivisionError" in trial.error_detail


def test_a_task_past_its_deadline_fails(trial: Task, run: Run, script: Script) -> None:
    script.answers["first"] = [CloudUnreachable("no answer")] * 10_000
    run(trial)
    assert trial.state == State.FAILED
    assert script.ended == ["failed"]


def test_a_step_over_its_time_fails(
    trial: Task, run: Run, script: Script, clock: JumpClock
) -> None:
    script.answers["second"] = [Later(100)] * 1000
    before = clock.now()
    run(trial)
    assert trial.state == State.FAILED
    assert clock.now() - before < timedelta(seconds=1000)


def test_a_cancelled_task_cleans_up_and_does_nothing_more(
    trial: Task, run: Run, script: Script
) -> None:
    engine.cancel(trial)
    run(trial)
    assert trial.state == State.CANCELED
    assert script.calls == ["tidy"]
    assert script.ended == ["canceled"]


def test_cancelling_twice_or_after_the_end_is_refused(trial: Task, run: Run) -> None:
    engine.cancel(trial)
    with pytest.raises(Refused):
        engine.cancel(trial)
    run(trial)
    with pytest.raises(Refused):
        engine.cancel(trial)


def test_a_claim_is_taken_once_and_again_after_the_lease(trial: Task, clock: JumpClock) -> None:
    lease = timedelta(seconds=60)
    claims.admit(clock.now())
    assert claims.claim("one", clock.now(), lease, 10)
    assert not claims.claim("two", clock.now(), lease, 10)
    clock.advance(61)
    (task,) = claims.claim("two", clock.now(), lease, 10)
    assert task.crashes == 1


@pytest.mark.django_db(transaction=True)
def test_what_is_under_way_is_not_taken_again_however_late_the_runner_is(
    trial: Task, run: Run, script: Script, clock: JumpClock
) -> None:
    engine.start("trial", title="Another")
    is_late = threading.Event()

    def ended(task: Task) -> None:
        # Longer than a lease goes by while the other's call is in flight.
        clock.advance(0 if is_late.is_set() else 100)
        is_late.set()

    clock.advance(60)  # both are due at once
    script.on_done = ended
    script.answers["second"] = [{}, lambda: {"waited": is_late.wait(60)}]
    run(trial)
    assert script.calls.count("second") == 2
    assert [task.crashes for task in Task.objects.filter(kind="trial")] == [0, 0]


@pytest.mark.django_db(transaction=True)
def test_a_hook_that_finds_what_another_runner_did_changes_nothing(
    trial: Task, run: Run, script: Script
) -> None:
    def ended_elsewhere() -> dict[str, object]:
        Task.objects.filter(pk=trial.pk).update(state=State.DONE, lease_owner="", lease_until=None)
        connection.close()
        return {}

    def stumbles(task: Task) -> None:
        raise RuntimeError("ready -> ready")

    script.answers["second"] = [ended_elsewhere]
    script.on_done = stumbles
    run(trial)
    assert (trial.state, trial.error) == (State.DONE, "")
    assert "tidy" not in script.calls


def test_a_checkpoint_without_the_lease_writes_nothing(trial: Task, clock: JumpClock) -> None:
    lease = timedelta(seconds=60)
    claims.admit(clock.now())
    (mine,) = claims.claim("one", clock.now(), lease, 10)
    clock.advance(61)
    claims.claim("two", clock.now(), lease, 10)
    mine.message = "too late"
    assert claims.checkpoint([mine], "one") == {mine.pk}
    mine.refresh_from_db()
    assert mine.message != "too late"


def test_a_step_that_kills_workers_is_not_tried_for_ever(
    trial: Task, run: Run, script: Script, clock: JumpClock
) -> None:
    claims.admit(clock.now())
    for turn in range(MAX_CRASHES + 1):
        claims.claim(f"dead-{turn}", clock.now(), timedelta(seconds=60), 10)
        clock.advance(61)
    run(trial)
    assert trial.state == State.FAILED
    assert "died" in trial.error
    assert script.calls == ["tidy"]


def test_the_runner_says_that_it_lives(trial: Task, run: Run) -> None:
    run(trial)
    assert Heartbeat.objects.count() == 1


def test_a_runner_out_of_time_says_that_work_is_left(
    trial: Task, script: Script, clock: JumpClock
) -> None:
    script.answers["first"] = [Later(300)]
    assert Runner(clock=clock, threads=2).run(seconds=60) is True
    trial.refresh_from_db()
    assert (trial.state, trial.lease_owner) == (State.RUNNING, "")


def test_a_task_whose_step_a_release_dropped_fails_plainly(
    trial: Task, run: Run, script: Script, clock: JumpClock
) -> None:
    Task.objects.filter(pk=trial.pk).update(
        state=State.RUNNING,
        step="gone",
        steps=[{"name": "gone", "label": "Gone", "state": "running"}],
    )
    run(trial)
    assert trial.state == State.FAILED
    assert "gone" in trial.error_detail


def test_a_task_nobody_asked_for_is_shown_as_our_own(trial: Task) -> None:
    assert trial.requester == "Standby"
