"""Measures what the design promises: `python -m tests.bench [module ...]`.

Every module of this folder with a function ``measure() -> Iterator[Figure]`` takes part.
It finds Django set up and an empty, migrated database (SQLite in a file, then a private
PostgreSQL, or that of TEST_DATABASE_URL), which it shares with the modules before it. One
line a figure; the exit code is 1 if one missed its target.
"""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from tests.environment import DATA_DIR
from tests.postgres import NoServer, private_postgres

if TYPE_CHECKING:
    from tests.bench.figure import Figure

# Marks the process that measures on one database.
HERE = "--here"


def main(wanted: list[str]) -> int:
    """Measure on SQLite, then on PostgreSQL, each in a process of its own."""
    given = os.environ.get("TEST_DATABASE_URL")
    codes = [_measured("SQLite", None, wanted)]
    try:
        with nullcontext(given) if given else private_postgres() as url:
            codes.append(_measured("PostgreSQL", url, wanted))
    except NoServer as reason:
        print(reason, file=sys.stderr)
        codes.append(1)
    return max(codes)


def _measured(label: str, url: str | None, wanted: list[str]) -> int:
    print(f"On {label}", flush=True)
    environment = {name: value for name, value in os.environ.items() if name != "TEST_DATABASE_URL"}
    environment |= {"LOG_LEVEL": "WARNING"} | ({"TEST_DATABASE_URL": url} if url else {})
    command = [sys.executable, "-m", "tests.bench", HERE, *wanted]
    return subprocess.run(command, env=environment, check=False).returncode


def measure_here(wanted: list[str]) -> int:
    """Measure on the one database of the settings, and print; return the exit code."""
    import django
    from django.test.utils import setup_databases, teardown_databases

    django.setup()
    databases = setup_databases(verbosity=0, interactive=False)
    met = True
    try:
        for figure in figures(wanted):
            print(f"  {figure}", flush=True)
            met = met and figure.is_met
    finally:
        teardown_databases(databases, verbosity=0)
        shutil.rmtree(DATA_DIR, ignore_errors=True)
    return 0 if met else 1


def figures(wanted: list[str]) -> Iterator[Figure]:
    """Measure the modules named, or all of them, in order of their names."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem in ("__main__", "figure") or (wanted and path.stem not in wanted):
            continue
        module = importlib.import_module(f"tests.bench.{path.stem}")
        yield from module.measure()


if __name__ == "__main__":
    arguments = sys.argv[1:]
    is_child = HERE in arguments
    arguments = [name for name in arguments if name != HERE]
    sys.exit(measure_here(arguments) if is_child else main(arguments))
