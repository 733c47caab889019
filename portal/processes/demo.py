"""The demo: lab, worker, web and users at work as one foreground process, on loopback only.

Everything it keeps lies in the data folder (``var/``): database, lab, static files and
the logs of the processes it starts. Ctrl-C, SIGTERM or a closed terminal ends them all;
should this process be killed, their guards end them (`portal.processes.group`).
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue

from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.management import call_command
from django.db import connections

from portal.processes.group import ProcessGroup

PASSWORD = "standby-demo"  # noqa: S105 (the demo's, printed at its start)
LOGINS = (
    ("customer-admin@meridian.example", "Customer Administrator of Meridian Health"),
    ("org-admin@meridian.example", "Organization Administrator of EMEA Clinical"),
    ("account-admin@meridian.example", "Account Administrator of Radiology PACS"),
    ("support@meridian.example", "Customer Support"),
    ("auditor@meridian.example", "Customer Auditor"),
    ("customer-admin@northwind.example", "Customer Administrator of Northwind Legal"),
    ("staff@standby.example", "Staff: Django admin at /admin/"),
)
# What a shell may have set for a deployment; the demo must never touch that one's data.
DEPLOYMENT_VARIABLES = (
    "ALLOWED_HOSTS",
    "DATABASE_URL",
    "SECRETS_KEYS",
    "SECRET_KEY",
    "SECURE_SSL_REDIRECT",
    "TRUST_PROXY",
    "GUNICORN_CMD_ARGS",
)
START_SECONDS = 60.0
STOP_SECONDS = 4.0
PARENT_SECONDS = 0.5
# Seconds between two things that one of the demo's users does.
BROKER_PACE = 45
NEEDED_BYTES = 200 * 2**20


def lab_ports() -> dict[str, int]:
    """Return the port of each emulated cloud; STANDBY_LAB_PORTS moves them."""
    given = os.environ.get("STANDBY_LAB_PORTS", "19440,19441,19443").split(",")
    return dict(zip(("ahv-lon-01", "ahv-dub-02", "azure"), map(int, given), strict=True))


class CannotRun(Exception):
    """The demo cannot start or go on; the message is one plain sentence."""


def demo_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of every process of the demo: nothing of a deployment's is in it."""
    kept = {key: value for key, value in environment.items() if key not in DEPLOYMENT_VARIABLES}
    return kept | {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "STANDBY_DEMO": "true",
        "PYTHONUNBUFFERED": "1",
    }


def run(say: Callable[[str], None]) -> None:
    """Run the demo until it is told to end. Raises CannotRun."""
    port = port_of(os.environ)
    _check_room(port)
    say("Preparing the database and the static files ...")
    _prepare()
    ended: SimpleQueue[str] = SimpleQueue()
    with ExitStack() as running:
        lab = running.enter_context(_process("lab", _lab_command(), ended))
        for number in lab_ports().values():
            _await_answer("lab", lab, number)
        say("Loading the demo ...")
        call_command("load_demo")
        connections.close_all()
        running.enter_context(_process("worker", _worker_command(), ended))
        web = running.enter_context(_process("web", _web_command(port), ended))
        _await_answer("web", web, port, path="/healthz")
        running.enter_context(_process("broker", _broker_command(), ended))
        say(_welcome(port))
        name = ended.get()
        raise CannotRun(f"The {name} process has ended unexpectedly; see {_log(name)}.")


def port_of(environment: Mapping[str, str]) -> int:
    """Return the web's port: PORT, or 8000. Raises CannotRun."""
    given = environment.get("PORT", "") or "8000"
    if not given.isdecimal() or not 0 < int(given) < 65536:
        raise CannotRun(f"PORT must be a number between 1 and 65535, not {given!r}.")
    return int(given)


LAB_ADVICE = (
    "The lab needs it. Stop the demo that is running, or give this one other ports: "
    "STANDBY_LAB_PORTS=19450,19451,19453 make run PORT=8001"
)


def _check_room(port: int) -> None:
    """Refuse to start where a port is taken or the disk is full."""
    _check_port(port, f"Stop it, or choose another port: make run PORT={port + 1}")
    for number in lab_ports().values():
        _check_port(number, LAB_ADVICE)
    settings.DATA_DIR.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.DATA_DIR).free
    if free < NEEDED_BYTES:
        raise CannotRun(
            f"The demo needs {NEEDED_BYTES // 2**20} MB of free disk space in "
            f"{settings.DATA_DIR}; there are {free // 2**20} MB."
        )


def _check_port(port: int, advice: str) -> None:
    with socket.socket() as probe:
        # As the servers do: a connection of the last run that lingers is no hindrance.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except PermissionError:
            raise CannotRun(f"Port {port} may not be used by this user. {advice}") from None
        except OSError:
            raise CannotRun(f"Port {port} is in use by another program. {advice}") from None


def _prepare() -> None:
    call_command("migrate", verbosity=0, interactive=False)
    call_command("createcachetable", verbosity=0)
    stamp = settings.DATA_DIR / "static.stamp"
    wanted = _static_fingerprint()
    if not stamp.exists() or stamp.read_text() != wanted:
        call_command("collectstatic", verbosity=0, interactive=False, clear=True)
        stamp.write_text(wanted)


def _static_fingerprint() -> str:
    """Return a digest of the static files' paths, sizes and times; collecting takes seconds."""
    found = hashlib.sha256()
    for finder in get_finders():
        for name, storage in finder.list([]):
            status = Path(storage.path(name)).stat()
            found.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return found.hexdigest()


def _lab_command() -> list[str]:
    folder = settings.DATA_DIR / "lab"
    folder.mkdir(exist_ok=True)
    options = ["--directory", str(folder), "--state", str(folder / "state.sqlite3")]
    if "STANDBY_LAB_PORTS" in os.environ:
        options += ["--ports", ",".join(map(str, lab_ports().values()))]
    return [sys.executable, "-m", "portal.lab", *options]


def broker_settings() -> Path:
    """Where the lab's session broker reads what it has to know; loading the demo writes it."""
    return Path(settings.DATA_DIR) / "lab" / "broker.json"


def _broker_command() -> list[str]:
    state = settings.DATA_DIR / "lab" / "sessions.json"
    command = [sys.executable, "-m", "portal.lab.broker", str(broker_settings())]
    return [*command, "--state", str(state), "--pace", str(BROKER_PACE)]


def _worker_command() -> list[str]:
    return [sys.executable, "manage.py", "worker", "--grace", "2"]


def _web_command(port: int) -> list[str]:
    return [
        *(sys.executable, "-m", "gunicorn", "portal.wsgi", "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "gthread", "--workers", "2", "--threads", "4"),
        # Without this, gunicorn 27 opens a socket in the user's home folder.
        *("--no-control-socket", "--graceful-timeout", "2"),
    ]


def _log(name: str) -> Path:
    return Path(settings.DATA_DIR) / "log" / f"{name}.log"


@contextmanager
def _process(name: str, command: list[str], ended: SimpleQueue[str]) -> Iterator[ProcessGroup]:
    """Run a command, its output in a log of its own; put its name into ``ended`` if it ends."""
    log = _log(name)
    log.parent.mkdir(exist_ok=True)
    if log.exists():
        log.replace(log.with_suffix(".log.1"))
    with log.open("wb") as output:
        group = ProcessGroup(
            command,
            environment=demo_environment(os.environ),
            output=output,
            directory=settings.BASE_DIR,
            when_ended=lambda: ended.put(name),
        )
        try:
            yield group
        finally:
            group.stop(STOP_SECONDS)


def _await_answer(name: str, group: ProcessGroup, port: int, path: str | None = None) -> None:
    """Wait until something listens on the port and, given a path, answers it with 200."""
    for _ in range(int(START_SECONDS / 0.05)):
        if group.wait_ended(0.05):
            raise CannotRun(f"The {name} process could not start; see {_log(name)}.")
        with suppress(OSError, http.client.HTTPException):
            if path is None:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            answer = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            answer.request("GET", path)
            if answer.getresponse().status == http.HTTPStatus.OK:
                return
    raise CannotRun(f"The {name} process did not answer within a minute; see {_log(name)}.")


def _welcome(port: int) -> str:
    width = max(len(address) for address, _ in LOGINS)
    logins = "\n".join(f"  {address:<{width}}  {role}" for address, role in LOGINS)
    return (
        f"\nStandby is running: http://127.0.0.1:{port}/\n\n"
        f"Sign in with the password {PASSWORD} as\n{logins}\n\n"
        f"Logs, and the mail it sends, are in {settings.DATA_DIR / 'log'}. Ctrl-C ends it."
    )


@contextmanager
def interrupts(*, with_parent: bool) -> Iterator[None]:
    """Make SIGTERM and SIGHUP raise KeyboardInterrupt as Ctrl-C does, and only the first of all.

    ``with_parent``: the end of the process that started this one is an interrupt, too.
    """

    def interrupt(number: int, frame: object) -> None:
        # Stopping is bounded in time; a second Ctrl-C must not leave it half done.
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        raise KeyboardInterrupt

    numbers = [
        number
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        # A shell starts background jobs with SIGINT ignored, nohup does so with SIGHUP.
        if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN
    ]
    for number in numbers:
        signal.signal(number, interrupt)
    done = threading.Event()
    if with_parent:
        threading.Thread(target=_watch_parent, args=(os.getppid(), done), daemon=True).start()
    try:
        yield
    finally:
        done.set()


def _watch_parent(parent: int, done: threading.Event) -> None:
    """Send ourselves SIGTERM when the parent has gone: make, killed, tells its children nothing."""
    while not done.wait(PARENT_SECONDS):
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGTERM)
            return
