"""Process groups: nothing a group started outlives the process that started the group."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from queue import SimpleQueue

import psutil

from portal.processes.group import ProcessGroup

ROOT = Path(__file__).resolve().parents[2]
SHELL = "/bin/sh"
# A command with a child of its own that ignores being asked to end.
STUBBORN = f"{SHELL} -c 'trap \"\" TERM; echo ready; exec tail -f /dev/null' & wait"


def ended_within(seconds: float, processes: list[psutil.Process]) -> bool:
    """Whether all of them end in time; a zombie, which nobody may reap in a container, has."""
    _, alive = psutil.wait_procs(processes, timeout=0)
    for process in alive:
        try:
            process.wait(seconds)
        except psutil.TimeoutExpired:
            if process.status() != psutil.STATUS_ZOMBIE:
                return False
    return True


def test_stopping_ends_the_children_that_ignore_it_too() -> None:
    group = ProcessGroup([SHELL, "-c", STUBBORN], output=subprocess.PIPE)
    assert group.output is not None
    with group.output:
        group.output.readline()
        family = psutil.Process(group.pid).children(recursive=True)
        group.stop(grace_seconds=0.1)
    assert family
    assert ended_within(5, family)


def test_the_end_of_the_command_is_told_once() -> None:
    told: SimpleQueue[str] = SimpleQueue()
    group = ProcessGroup([SHELL, "-c", "exit 3"], when_ended=lambda: told.put("ended"))
    assert told.get(timeout=5) == "ended"
    group.stop(grace_seconds=0)
    assert group.exit_code == 3
    assert told.empty()


def test_the_death_of_the_guard_is_told_like_the_command_s() -> None:
    told: SimpleQueue[str] = SimpleQueue()
    group = ProcessGroup([SHELL, "-c", "read _"], when_ended=lambda: told.put("ended"))
    guard = next(
        child for child in psutil.Process().children() if "kill -KILL 0" in child.cmdline()[-1]
    )
    guard.kill()
    assert told.get(timeout=5) == "ended"
    group.stop(grace_seconds=1)


def test_a_killed_starter_takes_its_groups_with_it() -> None:
    starter = (
        "from portal.processes.group import ProcessGroup\n"
        f"group = ProcessGroup([{SHELL!r}, '-c', {STUBBORN!r}])\n"
        "group.wait_ended(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", starter], cwd=ROOT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        family = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGKILL)
    assert len(family) == 3
    assert ended_within(5, family)
