"""The processes of a deployment, kept up as its init system would: what dies is started again."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue

import psutil
import psycopg

from portal.processes.group import ProcessGroup
from tests.postgres import SERVER_OPTIONS, PrivateServer
from tests.soak.lab_host import STATE
from tests.soak.plan import Options

ROOT = Path(__file__).resolve().parents[2]
# As systemd's RestartSec.
RESTART_SECONDS = 1.0
STOP_SECONDS = 15.0
# A commit that was answered has to outlive an immediate shutdown, as in production.
DATABASE_OPTIONS = tuple(each for each in SERVER_OPTIONS if "synchronous" not in each)


def database() -> PrivateServer:
    """A PostgreSQL server of its own, started, with an empty database."""
    server = PrivateServer(DATABASE_OPTIONS)
    server.start()
    with psycopg.connect(
        host=str(server.home), user="standby", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute("CREATE DATABASE standby")
    return server


class Service:
    """A command that is started again whenever it ends, its output in one log."""

    def __init__(
        self, name: str, command: list[str], environment: Mapping[str, str], folder: Path
    ) -> None:
        self.name, self.log = name, folder / f"{name}.log"
        self._command, self._environment = command, dict(environment)
        self._ended: SimpleQueue[bool] = SimpleQueue()
        self._output = self.log.open("ab")
        self._stopped = threading.Event()
        self._group = self._start()
        self._keeper = threading.Thread(target=self._keep, name=f"keeps {name}", daemon=True)
        self._keeper.start()

    def _start(self) -> ProcessGroup:
        return ProcessGroup(
            self._command,
            environment=self._environment,
            output=self._output,
            directory=ROOT,
            when_ended=lambda: self._ended.put(True),
        )

    def _keep(self) -> None:
        while self._ended.get() and not self._stopped.wait(RESTART_SECONDS):
            self._group.stop(0)
            while not self._ended.empty():
                self._ended.get()
            self._group = self._start()

    def process(self) -> psutil.Process:
        """The command itself. Raises psutil.NoSuchProcess between an end and the next start."""
        return psutil.Process(self._group.pid)

    def stop(self) -> None:
        """End it in order, for good."""
        self._stopped.set()
        self._ended.put(False)
        self._keeper.join()
        self._group.stop(STOP_SECONDS)
        self._output.close()


def web(port: int, environment: Mapping[str, str], folder: Path) -> Service:
    """Gunicorn as README's deployment starts it."""
    command = [
        *(sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "gthread", "--workers", "2", "--threads", "8"),
        "--no-control-socket",
    ]
    return Service("web", command, environment, folder)


def worker(number: int, environment: Mapping[str, str], folder: Path) -> Service:
    """One `manage.py worker`, as on a machine of its own."""
    command = [sys.executable, "manage.py", "worker", "--grace", "5"]
    return Service(f"worker-{number}", command, environment, folder)


def free_port() -> int:
    """A port nothing listens at now."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


class LabHost:
    """`tests.soak.lab_host` as a process; it ends with this one."""

    def __init__(self, options: Options, folder: Path) -> None:
        facts = (options.minutes, options.seed, options.accounts, options.resources, options.scale)
        self.log, self.state = folder / "lab.log", folder / STATE
        self._output = self.log.open("ab")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.soak.lab_host", str(folder), *map(str, facts)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._output, text=True, cwd=ROOT,
        )  # fmt: skip
        place = json.loads(self._answer())
        self.urls: dict[str, str] = place["urls"]
        self.ca = Path(place["ca"])

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"The lab has ended: {self.log.read_text()[-2000:]}")
        return line

    def save(self) -> Path:
        """Write all it holds; return the file."""
        assert self._process.stdin is not None
        self.state.unlink(missing_ok=True)
        self._process.stdin.write("save\n")
        self._process.stdin.flush()
        self._answer()
        return self.state

    def stop(self) -> None:
        """End it."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
        self._process.kill()
        self._process.wait()
        self._output.close()


def cluster(service: Service) -> psutil.Process:
    """The queue's parent process in a worker. Raises LookupError, psutil.NoSuchProcess."""
    for child in service.process().children():
        if "qcluster" in child.cmdline():
            return child
    raise LookupError(f"{service.name} has no cluster now")


def runners(service: Service) -> list[psutil.Process]:
    """What the queue's sentinel runs: workers, monitor and pusher. Raises as `cluster` does."""
    for sentinel in cluster(service).children():
        return sentinel.children()
    raise LookupError(f"{service.name} has no sentinel now")


def kill(process: psutil.Process) -> None:
    """SIGKILL, as the kernel's out-of-memory killer sends it."""
    os.kill(process.pid, signal.SIGKILL)
