"""The runner: the loop inside a worker that claims due tasks and moves them.

Threads do only the calls to clouds; this thread does all database work, in
batches. A task's next call is made only after the checkpoint before it has been
committed. Ends when nothing is due, or its time is up.
"""

from __future__ import annotations

import copy
import os
import queue
import socket
import uuid
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

import structlog
from django.conf import settings
from django.db import transaction

from portal.clouds.api import Cloud, CloudError, Operation, Progress
from portal.clouds.fence import fenced
from portal.engine import claims
from portal.engine.clock import Clock, SystemClock, using
from portal.engine.connections import Connections, place_of
from portal.engine.course import Course, Event, Reached
from portal.engine.endings import follow_ending, write_ending
from portal.engine.steadily import steadily
from portal.engine.workflow import Job, Later, Step, registry
from portal.models import Heartbeat, Task
from portal.outages import outage_of

T = TypeVar("T")

log = structlog.get_logger(__name__)

# Polls of one cloud account travel in one call, so many waiting tasks may be claimed at once.
CLAIM_LIMIT = 500
HEARTBEAT_SECONDS = 10
# So long portions of one task follow one another before others have their turn.
PORTIONS_SECONDS = 0.25


@dataclass(frozen=True)
class Outcome:
    """What one call gave for one task."""

    task: Task
    event: Event


class LeaseLost(Exception):
    """Another runner has taken the task; what this one did with it does not count."""


class Runner:
    """One loop. ``clock`` and ``threads`` are passed in by tests and benches.

    ``connections`` outlive it and are not closed: drivers remember for how long they have
    waited for what shows nowhere, and that may take longer than one runner lives.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        threads: int | None = None,
        connections: Connections | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.owner = f"{socket.gethostname()[:30]}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self.threads = threads or settings.ENGINE_THREADS
        self.lease = timedelta(seconds=settings.ENGINE_LEASE_SECONDS)
        self.connections = connections or Connections(self.clock)
        self._closes = connections is None
        self.outcomes: queue.SimpleQueue[list[Outcome]] = queue.SimpleQueue()
        self.in_flight = 0
        # Of what it holds, that of which a call is out.
        self._at_work: set[UUID] = set()
        self._last_beat: datetime | None = None
        # When it renewed all its leases last, and since when none of them has run out.
        self.renewed_at = self._held_since = self.clock.now()

    def run(self, *, seconds: float) -> bool:
        """Work for at most ``seconds``; return whether tasks are left that have not ended."""
        until = self.clock.now() + timedelta(seconds=seconds)
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="cloud")
        with using(self.clock), pool as self.pool:
            try:
                while self._turn(until):
                    pass
                while self.in_flight:
                    self._settle(self._collect())
            finally:
                if self._closes:
                    self.connections.close()
        return self._steadily(claims.is_work_left)

    def _turn(self, until: datetime) -> bool:
        """Claim, call, settle. False when the runner should end."""
        now = self.clock.now()
        self._beat(now)
        if now >= until:
            return False
        self._steadily(partial(claims.admit, now))
        taken = self._take(now)
        if self.in_flight:
            self._settle(self._collect())
            return True
        if taken:
            return True
        due = self._steadily(claims.next_due)
        if due is None or due > until:
            return False
        self.clock.idle(due)
        return True

    def _take(self, now: datetime) -> bool:
        """Claim what is due, checkpoint where each begins, and send the calls off."""
        if self.in_flight >= 2 * self.threads:
            return False
        tasks = self._claim(now)
        if not tasks:
            return False
        if not self.in_flight:
            # It holds nothing else.
            self.renewed_at = self._held_since = now
        self._steadily(partial(self.connections.refresh, tasks, now))
        going: list[Task] = []
        beginning: list[Task] = []
        for task in tasks:
            (beginning if self._must_resume(task, now) else going).append(task)
        fresh: list[Task] = []
        for task in beginning:
            if self._course(task, now).begins_plainly:
                fresh.append(task)
            else:
                going += self._apply_alone(task, None, now)
        self._send([*going, *self._begin(fresh, now)])
        return True

    def _claim(self, now: datetime) -> list[Task]:
        failures = 0

        def attempt() -> list[Task]:
            nonlocal failures
            if failures:
                claims.let_go(self.owner, self._at_work)
            failures += 1
            return claims.claim(self.owner, now, self.lease, CLAIM_LIMIT)

        return self._steadily(attempt)

    def _begin(self, tasks: Sequence[Task], now: datetime) -> list[Task]:
        """Begin the first step of each, and write that at once for all."""
        for task in tasks:
            self._course(task, now).resume()
            self._let_go_or_keep(task, now)
        lost = self._checkpoint(tasks)
        return [task for task in tasks if task.pk not in lost]

    def _must_resume(self, task: Task, now: datetime) -> bool:
        is_running = task.state == Task.State.RUNNING
        overdue = task.cancel_requested_at or now >= task.deadline_at or task.crashes
        is_known = registry.workflows[task.kind].has(task.step)
        return not is_known or bool(is_running and overdue)

    # Calls, in threads

    def _send(self, tasks: Sequence[Task]) -> None:
        """Start the calls: one poll for all that wait at a cloud account, one each otherwise."""
        self._at_work |= {task.pk for task in tasks}
        polls: dict[UUID | None, list[Task]] = defaultdict(list)
        for task in tasks:
            if task.operation:
                polls[place_of(task)].append(task)
            else:
                self._start_call(task)
        for waiting in polls.values():
            self.in_flight += 1
            cloud = self.connections.cloud(waiting[0])
            self.pool.submit(self._poll, waiting, cloud)

    def _start_call(self, task: Task) -> None:
        course = self._course(task, self.clock.now())
        self.in_flight += 1
        if task.lease_until is None:
            raise ValueError(f"task {task.pk} is called for without a lease")
        may_change = partial(self._may_change, self.clock.now(), task.lease_until)
        job = course.job(self.connections.cloud(task))
        self.pool.submit(self._call, task, course.step, job, may_change)

    def _poll(self, tasks: list[Task], cloud: Cloud) -> None:
        events: dict[str, Event]
        try:
            events = dict(cloud.progress([task.operation for task in tasks]))
        except Exception as error:  # becomes each task's error, see Course
            events = {task.operation: error for task in tasks}
        missing = Progress(Progress.RUNNING)
        self.outcomes.put([Outcome(task, events.get(task.operation, missing)) for task in tasks])

    def _call(self, task: Task, step: Step, job: Job, may_change: Callable[[], bool]) -> None:
        event: Event
        try:
            with fenced(may_change):
                answer = step.reach(job)
            event = answer if isinstance(answer, Operation) else Reached(answer or {})
        except Exception as error:  # becomes the task's error, see Course
            event = error
        self.outcomes.put([Outcome(task, event)])

    def _may_change(self, begun_at: datetime, held_until: datetime) -> bool:
        """Whether half of a lease is left: what is sent now arrives before it ends, or never.

        For a call that began before it was renewed that counts if it had not run out meanwhile.
        """
        if begun_at >= self._held_since:
            held_until = max(held_until, self.renewed_at + self.lease)
        return self.clock.now() < held_until - self.lease / 2

    # Settling, in this thread

    def _collect(self) -> list[Outcome]:
        """Wait for a call to come back, then take all that have; renew leases while waiting."""
        outcomes: list[Outcome] = []
        while not outcomes:
            try:
                outcomes += self.outcomes.get(timeout=self.lease.total_seconds() / 4)
                self.in_flight -= 1
            except queue.Empty:
                self._renew()
        while not self.outcomes.empty():
            outcomes += self.outcomes.get()
            self.in_flight -= 1
        self._renew()
        return outcomes

    def _renew(self) -> None:
        now = self.clock.now()
        if now - self.renewed_at > self.lease / 4:
            self._steadily(partial(claims.renew, self.owner, now + self.lease))
            if self.clock.now() >= self.renewed_at + self.lease:
                # What was under way may be another's: renewing does not bring it back.
                self._held_since = self.clock.now()
            self.renewed_at = now

    def _settle(self, outcomes: Sequence[Outcome]) -> None:
        """Write what came of the calls, then send off what can go on at once."""
        now = self.clock.now()
        self._at_work -= {outcome.task.pk for outcome in outcomes}
        plain: list[Task] = []
        going: list[Task] = []
        for outcome in outcomes:
            self.connections.note(outcome.task, outcome.event, now)
            course = self._course(outcome.task, now)
            if course.is_plain(outcome.event):
                course.apply(outcome.event)
                self._let_go_or_keep(outcome.task, now)
                plain.append(outcome.task)
            else:
                going += self._apply_alone(outcome.task, outcome.event, now)
                # Hundreds may end at once, and nobody may take the rest meanwhile.
                self._renew()
        going = [task for each in going for task in self._apply_portions(each, now)]
        lost = self._checkpoint(plain)
        self._steadily(partial(self.connections.write_health, now))
        going += [task for task in plain if task.lease_owner and task.pk not in lost]
        self._send(going)

    def _apply_alone(self, task: Task, event: Event | None, now: datetime) -> list[Task]:
        """Apply an event whose hooks write: all in one transaction, or nothing of it."""
        # A hook may be what finds that another runner has been there: what it wrote is in the way.
        with suppress(LeaseLost):
            try:
                self._apply_once(task, event, now)
            except LeaseLost:
                raise
            except Exception as error:  # of a hook: the task fails by it, the runner goes on
                if outage_of(error):
                    raise
                log.exception("task hook failed", task_id=str(task.pk), kind=task.kind)
                self._apply_once(task, error, now)
            return [task] if task.lease_owner else []
        return []

    def _apply_once(self, task: Task, event: Event | None, now: datetime) -> None:
        """Apply an event, again while the database cannot; never on top of itself.

        A failure leaves the task as it was. Where the answer of the commit was lost, the row
        says whether it was made: then it is what the task goes on from.
        """
        before = copy.deepcopy({name: getattr(task, name) for name in claims.CHECKPOINT})
        failures = 0

        def attempt() -> None:
            nonlocal failures
            if failures and not claims.stands_at(task, before, self.owner):
                task.refresh_from_db()
                if task.lease_owner != self.owner:
                    raise LeaseLost
                return
            failures += 1
            try:
                self._apply(task, event, now)
            except Exception:  # raised again, the task being what it was
                for name, value in copy.deepcopy(before).items():
                    setattr(task, name, value)
                raise

        self._steadily(attempt)

    def _apply_portions(self, task: Task, begun_at: datetime) -> list[Task]:
        """Go on at once with a step that asks no cloud, for a while; each portion is committed."""
        until = begun_at + timedelta(seconds=PORTIONS_SECONDS)
        while task.step and registry.workflows[task.kind].find(task.step).is_all_saved:
            now = self.clock.now()
            if now >= until or task.next_wake_at > now:
                break
            if not self._apply_alone(task, Reached({}), now):
                return []
        return [task]

    @transaction.atomic
    def _apply(self, task: Task, event: Event | None, now: datetime) -> None:
        course = self._course(task, now)
        if event is None:
            course.resume()
        else:
            if isinstance(event, Exception) and not isinstance(event, CloudError | Later):
                log.error("step broke", task_id=str(task.pk), step=task.step, exc_info=event)
            course.apply(event)
        if not task.is_active:
            write_ending(task, course.workflow)
        self._let_go_or_keep(task, now)
        if claims.checkpoint([task], self.owner):
            raise LeaseLost
        if not task.is_active:
            follow_ending(task)

    def _checkpoint(self, tasks: Sequence[Task]) -> set[UUID]:
        """Write all of them at once; return those whose lease was lost.

        Done twice it says so of those let go by the first time: nothing is left to do for them.
        """

        @transaction.atomic
        def write() -> set[UUID]:
            return claims.checkpoint(tasks, self.owner)

        return self._steadily(write)

    def _steadily(self, work: Callable[[], T]) -> T:
        return steadily(work, self.clock)

    def _let_go_or_keep(self, task: Task, now: datetime) -> None:
        """Keep the lease while the next call can be made at once; let go of the rest."""
        if task.is_active and task.next_wake_at <= now:
            task.lease_until = now + self.lease
        else:
            task.lease_owner, task.lease_until = "", None

    def _course(self, task: Task, now: datetime) -> Course:
        workflow = registry.workflows[task.kind]
        return Course(task, workflow, now, settings.ENGINE_POLL_SECONDS)

    def _beat(self, now: datetime) -> None:
        if self._last_beat and (now - self._last_beat).total_seconds() < HEARTBEAT_SECONDS:
            return
        self._last_beat = now
        host = socket.gethostname()[:100]
        self._steadily(partial(Heartbeat.objects.update_or_create, host=host, defaults={"at": now}))
