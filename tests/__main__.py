"""Runs the whole suite on SQLite, then on PostgreSQL: `python -m tests [pytest options]`.

PostgreSQL is a private server, unless TEST_DATABASE_URL names another one. Browser
tests run once, with SQLite, and so does what touches no database at all.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ElementTree
from contextlib import nullcontext
from pathlib import Path
from queue import SimpleQueue

from portal.processes.group import ProcessGroup
from tests.conftest import NO_CHROMIUM, find_chromium
from tests.postgres import NoServer, private_postgres

# Debian and Ubuntu; elsewhere the sentence printed says what is missing.
INSTALL_SECONDS = 600
# Between a driver and the lab there is no database, nor in a rule of time; a test holds them to it.
NO_DATABASE = (
    "tests/contract",
    "tests/lab",
    "tests/portal/clouds",
    "tests/backups/test_schedule.py",
    "tests/processes/test_commands.py",
    "tests/processes/test_group.py",
    "tests/processes/test_setup.py",
)
# The demo is always on SQLite; a web server's counters are files.
ON_SQLITE = ("tests/processes/test_demo.py", "tests/processes/test_metrics.py")
# What Python compiles is kept for every process of every run: hundreds are started, and a shell
# that forbids it (PYTHONDONTWRITEBYTECODE) would have each compile Django anew, for seconds.
BYTECODE = Path(sys.prefix) / "bytecode"
# A browser, a lab or a killed worker is waited for: two of them would leave two cores idle.
WORKERS = "3"


def main() -> int:
    """Run both; return 0 only if both passed."""
    # Set, not inherited: a shell's background job is started with SIGINT ignored, and so
    # would pytest be.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    provide_browser()
    totals = [run("SQLite", None, [])]
    given = os.environ.get("TEST_DATABASE_URL")
    try:
        with nullcontext(given) if given else private_postgres() as url:
            label = "the database of TEST_DATABASE_URL" if given else "a private PostgreSQL"
            once = [f"--ignore={path}" for path in (*NO_DATABASE, *ON_SQLITE)]
            totals.append(run(label, url, ["-m", "not browser", *once]))
    except NoServer as reason:
        print(reason, file=sys.stderr)
        totals.append((1, f"PostgreSQL: not run. {reason}"))
    print("\n".join(["", "Totals", *(line for _, line in totals)]))
    if find_chromium() is None:
        print(f"Browser tests were skipped: {NO_CHROMIUM}")
    return 0 if all(code == 0 for code, _ in totals) else 1


def run(label: str, url: str | None, options: list[str]) -> tuple[int, str]:
    """Run pytest on one database; return its exit code and one line of totals."""
    print(f"\n=== The suite on {label}", flush=True)
    unwanted = {"TEST_DATABASE_URL", "PYTHONDONTWRITEBYTECODE"}
    environment = {key: value for key, value in os.environ.items() if key not in unwanted}
    environment["PYTHONPYCACHEPREFIX"] = str(BYTECODE)
    if url is not None:
        environment["TEST_DATABASE_URL"] = url
    started_at = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="standby-totals-") as folder:
        report = Path(folder) / "report.xml"
        command = [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-n",
            WORKERS,
            "--dist",
            "worksteal",
            f"--junit-xml={report}",
        ]
        code = run_to_its_end([*command, *options, *sys.argv[1:]], environment)
        line = totals_of(report) if report.exists() else "no result"
    return code, f"  {label}: {line}, in {time.monotonic() - started_at:.0f} s"


def run_to_its_end(command: list[str], environment: dict[str, str]) -> int:
    """Run a command in a group of its own; when we are interrupted, end all of it first."""
    ended: SimpleQueue[None] = SimpleQueue()
    group = ProcessGroup(command, environment=environment, when_ended=lambda: ended.put(None))
    try:
        ended.get()
    finally:
        group.stop(grace_seconds=15, how=signal.SIGINT)
    return 1 if group.exit_code is None else group.exit_code


def totals_of(report: Path) -> str:
    """Return "n passed, n failed, n skipped" out of a JUnit report."""
    # Written by our own pytest a moment ago.
    suites = ElementTree.parse(report).getroot().iter("testsuite")  # noqa: S314
    counts = dict.fromkeys(("tests", "failures", "errors", "skipped"), 0)
    for suite in suites:
        for name in counts:
            counts[name] += int(suite.get(name, 0))
    failed = counts["failures"] + counts["errors"]
    passed = counts["tests"] - failed - counts["skipped"]
    return f"{passed} passed, {failed} failed, {counts['skipped']} skipped"


def provide_browser() -> None:
    """Install Debian's Chromium if there is none and we may; say so in one line."""
    if find_chromium() or os.geteuid() != 0 or shutil.which("apt-get") is None:
        return
    print("Installing Chromium for the browser tests (apt-get) ...", flush=True)
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "-qq", "update"],
        ["apt-get", "-qq", "install", "-y", "--no-install-recommends", "chromium"],
    ):
        subprocess.run(
            command,
            env=environment,
            timeout=INSTALL_SECONDS,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
        )


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nThe tests were interrupted.")
