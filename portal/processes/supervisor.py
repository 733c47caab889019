"""The worker's supervisor: keeps one django-q2 cluster alive and whole.

Why there is one: after SIGKILL of an idle worker, of the monitor, the sentinel or the
parent, a django-q2 1.11 cluster hangs, loses results or leaves orphans that take
tasks (upstream issue 23, and measured). The cure for all of them is the same: on a sign
of such a death, or when the cluster exits, end its whole process group and start
another. A task caught by it is claimed again when its lease has run out.

A pusher that cannot reach the database ends by itself, in order, and django-q2 starts another
one: that is no such death. A cluster is started only when the database answers: until then one
query every few seconds is made instead of a start that takes seconds of work to fail.
"""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from queue import Empty, SimpleQueue
from types import FrameType
from typing import IO, Literal

import structlog

from portal.processes.group import ProcessGroup

Event = Literal["stop", "ended", "sick"]

log = structlog.get_logger(__name__)

# django_q/cluster.py, Sentinel.reincarnate: "reincarnated worker X after death", and
# "monitor", "pusher ... after sudden death". A worker that ran into its timeout is not
# among them: that one was ended in order.
SIGN_OF_DEATH = re.compile(rb"reincarnated .* after (sudden )?death")

# django_q/pusher.py: what it says ten seconds before it ends of its own accord.
CUT_OFF = re.compile(rb"Failed to pull task from broker")
PUSHER_AGAIN = re.compile(rb"reincarnated pusher .* after (sudden )?death")

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
# A cluster that lived so long was well: the next pause is the first again.
HEALTHY_SECONDS = 30.0
# How long a broken cluster gets to hand over what it can before it is killed.
BROKEN_GRACE_SECONDS = 2.0
PREPARE_AGAIN_SECONDS = 5.0
SAY_AGAIN_SECONDS = 60.0


class Supervisor:
    """Runs ``command`` again and again until told to stop.

    ``prepare`` is called before every start of the command, and again every few seconds
    while it returns what hinders it; it leaves a wake, so that work goes on at once.
    """

    def __init__(
        self, command: Sequence[str], prepare: Callable[[], str], grace_seconds: float
    ) -> None:
        self._command = command
        self._prepare = prepare
        self._grace_seconds = grace_seconds
        # (number of the start, what happened). A SimpleQueue may be fed from a signal
        # handler; the locks of Event and Queue could deadlock there.
        self._events: SimpleQueue[tuple[int, Event]] = SimpleQueue()
        self._start = 0
        self._pause_seconds = 0.0

    def run(self) -> None:
        """Supervise until SIGTERM, SIGINT or SIGHUP; then stop the cluster within the grace."""
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._asked_to_stop)
        while self._await_prepared() != "stop" and self._run_once() != "stop":
            log.warning("worker restarts", pause_seconds=self._pause_seconds)
            if self._next_event(self._pause_seconds) == "stop":
                return

    def _asked_to_stop(self, number: int, frame: FrameType | None) -> None:
        self._events.put((0, "stop"))

    def _run_once(self) -> Event:
        """Run one cluster until it has ended or has to be; return why."""
        self._start += 1
        started_at = time.monotonic()
        group = ProcessGroup(
            self._command,
            output=subprocess.PIPE,
            when_ended=partial(self._events.put, (self._start, "ended")),
        )
        relay = threading.Thread(target=self._relay, args=(group.output, self._start))
        relay.start()
        event = self._await_event()
        log.info("worker ends", reason=event, exit_code=group.exit_code)
        group.stop(self._grace_seconds if event == "stop" else BROKEN_GRACE_SECONDS)
        relay.join()
        if time.monotonic() - started_at >= HEALTHY_SECONDS:
            self._pause_seconds = 0.0
        else:
            longer = max(2 * self._pause_seconds, FIRST_PAUSE_SECONDS)
            self._pause_seconds = min(longer, LONGEST_PAUSE_SECONDS)
        return event

    def _await_prepared(self) -> Event | None:
        """Prepare until nothing hinders that, or we are told to stop."""
        said, said_at = "", 0.0
        while hindrance := self._prepare():
            if hindrance != said or time.monotonic() - said_at >= SAY_AGAIN_SECONDS:
                log.warning("worker waits for the database", error=hindrance)
                said, said_at = hindrance, time.monotonic()
            if self._next_event(PREPARE_AGAIN_SECONDS) == "stop":
                return "stop"
        if said:
            log.info("the database is back")
        return None

    def _await_event(self) -> Event:
        """Wait for the next event of this start."""
        while (event := self._next_event(None)) is None:
            pass
        return event

    def _next_event(self, seconds: float | None) -> Event | None:
        """Return the next event that concerns the present start; None after ``seconds``."""
        until = None if seconds is None else time.monotonic() + seconds
        while True:
            left = None if until is None else max(0.0, until - time.monotonic())
            try:
                start, event = self._events.get(timeout=left)
            except Empty:
                return None
            if event == "stop" or start == self._start:
                return event

    def _relay(self, output: IO[bytes], start: int) -> None:
        """Pass the cluster's log on, and look for the sign of a death in it."""
        excused = 0
        with output:
            for line in output:
                sys.stderr.buffer.write(line)
                sys.stderr.buffer.flush()
                if CUT_OFF.search(line):
                    excused += 1
                elif excused and PUSHER_AGAIN.search(line):
                    excused -= 1
                elif SIGN_OF_DEATH.search(line):
                    self._events.put((start, "sick"))
