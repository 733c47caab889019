"""Fixtures for every test: the browser, and the environment of real processes."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db.models.signals import post_migrate

from tests import environment
from tests.shares import left_out

pytest_plugins = ["tests.lab_fixtures", "tests.people", "tests.things"]

CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")
NO_CHROMIUM = "no Chromium on this machine: apt-get install chromium"


def find_chromium() -> str | None:
    """Return the path of the system's Chromium, if there is one."""
    return next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Take what the everyday run takes; mark what lies in a folder by the folder's name.

    Browser tests are skipped without a browser.
    """
    if out := left_out(items):
        config.hook.pytest_deselected(items=[each for each in items if each.nodeid in out])
        items[:] = [each for each in items if each.nodeid not in out]
    skip = None if find_chromium() else pytest.mark.skip(reason=NO_CHROMIUM)
    for item in items:
        folders = item.path.parts
        if "processes" in folders:
            item.add_marker(pytest.mark.processes)
        if "browser" in folders:
            item.add_marker(pytest.mark.browser)
            if skip:
                item.add_marker(skip)


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the crash and fault matrices covered, and how long a disaster's restores took."""
    reports = terminalreporter.getreports("passed")
    lines = [value for r in reports for key, value in r.user_properties if key == "matrix"]
    if lines:
        terminalreporter.section("crash and fault matrix")
        total = sum(int(re.findall(r"(\d+) cases", line)[0]) for line in lines)
        for line in [*sorted(lines), f"in all: {total} cases"]:
            terminalreporter.write_line(line)
    times = [value for r in reports for key, value in r.user_properties if key == "disaster"]
    if times:
        terminalreporter.section("all local copies lost")
        for line in times:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    """Launch the system's Chromium; root may run it only without its sandbox."""
    options = ["--disable-dev-shm-usage", "--disable-gpu"]
    if os.geteuid() == 0:
        options.append("--no-sandbox")
    return browser_type_launch_args | {"executable_path": find_chromium(), "args": options}


def _provide_availability(sender: Any, **_: Any) -> None:
    """Make the rows again that a migration made: tests with real transactions empty all tables."""
    if sender.name == "reporting":
        import_module("reporting.migrations.0002_data_availability").fill(apps, None)


# Sent by every flush, too.
post_migrate.connect(_provide_availability, weak=False)


@pytest.fixture
def database_url(transactional_db: None) -> str:
    """The test database's DATABASE_URL, for processes that share it with the test."""
    return environment.database_url()


@pytest.fixture
def process_environment(database_url: str, tmp_path: Path) -> dict[str, str]:
    """The environment for real processes of the product that share the test's database."""
    return os.environ | {
        "DATABASE_URL": database_url,
        "STANDBY_DATA_DIR": str(tmp_path / "var"),
        "CONN_MAX_AGE": "0",
        "PYTHONUNBUFFERED": "1",
    }


@pytest.fixture
def started() -> Iterator[list[subprocess.Popen[bytes]]]:
    """A list for processes a test starts; whatever is left in it is killed at the end."""
    processes: list[subprocess.Popen[bytes]] = []
    yield processes
    for process in processes:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe is not None:
                pipe.close()
