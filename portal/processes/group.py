"""A command and everything it starts, which cannot outlive the process that started it."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

# Reads until the pipe's other end is gone, then kills its own process group.
_GUARD = "read _; kill -KILL 0"


class ProcessGroup:
    """A running command in a process group of its own.

    The group's leader is a guard: a shell that reads from a pipe of which only this
    process holds the other end. When this process ends, whichever way (SIGKILL
    included), the kernel closes the pipe and the guard kills the group. A process
    group, not a session: a terminal's Ctrl-C reaches only us, and we end the others
    in order.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        environment: Mapping[str, str] | None = None,
        output: IO[bytes] | int | None = None,
        directory: Path | None = None,
        user: str | None = None,
        when_ended: Callable[[], None] | None = None,
    ) -> None:
        """Start ``command``; stdout and stderr both go to ``output`` (default: where ours go).

        With ``output=PIPE`` the caller reads ``.output`` to its end and closes it.
        ``when_ended`` is called, in a thread of its own, as soon as the command or the
        guard has ended. Raises OSError when the command cannot be started.
        """
        self._when_ended = when_ended
        self._ended = threading.Event()
        self._lock = threading.Lock()
        # Ours alone: Python marks the writing end to be closed in every child.
        self._guard = subprocess.Popen(  # noqa: S603 (a constant)
            ["/bin/sh", "-c", _GUARD], stdin=subprocess.PIPE, process_group=0
        )
        try:
            self._command = subprocess.Popen(  # noqa: S603 (commands of our own)
                [str(word) for word in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=None if output is None else subprocess.STDOUT,
                env=None if environment is None else dict(environment),
                cwd=directory,
                user=user,
                group=None if user is None else _group_of(user),
                extra_groups=None if user is None else [],
                process_group=self._guard.pid,
            )
        except OSError:
            self._end_guard()
            raise
        self.output = self._command.stdout
        self._watchers = [
            threading.Thread(target=self._watch, args=(process,), daemon=True)
            for process in (self._command, self._guard)
        ]
        for watcher in self._watchers:
            watcher.start()

    @property
    def pid(self) -> int:
        return self._command.pid

    @property
    def exit_code(self) -> int | None:
        """The command's, negative for the signal that killed it; None while it runs."""
        return self._command.returncode

    def wait_ended(self, seconds: float) -> bool:
        """Wait for at most ``seconds``; true when the command (or its guard) has ended."""
        return self._ended.wait(seconds)

    def stop(self, grace_seconds: float, how: signal.Signals = signal.SIGTERM) -> None:
        """Ask the command to end, wait for the grace, then kill whatever is left of the group."""
        self._when_ended = None
        self._command.send_signal(how)
        self._ended.wait(grace_seconds)
        self._end_guard()
        for watcher in self._watchers:
            watcher.join()

    def _end_guard(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._guard.pid, signal.SIGKILL)
        if self._guard.stdin is not None:
            self._guard.stdin.close()
        self._guard.wait()

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        process.wait()
        with self._lock:
            first = not self._ended.is_set()
            self._ended.set()
        told = self._when_ended
        if first and told is not None:
            told()


def _group_of(user: str) -> int:
    """Return the primary group of a system user; it is named otherwise on some systems."""
    import pwd

    return pwd.getpwnam(user).pw_gid
