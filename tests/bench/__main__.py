"""Measures what the design promises: `python -m tests.bench [--rounds N] [module ...]`.

Every module of this folder with a function ``measure(rounds: int) -> Iterator[Figure]`` takes
part. It finds Django set up and an empty, migrated database (SQLite in a file, then a private
PostgreSQL, or that of TEST_DATABASE_URL), which it shares with the modules before it. ``rounds``
is how often to measure what is cheap; what takes minutes is measured once. Each figure is
printed as it is measured, and all of them in one table at the end. The exit code is 1 if one
missed its target.
"""

from __future__ import annotations

import argparse
import importlib
import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

from tests.bench.figure import Figure
from tests.bench.table import table
from tests.environment import DATA_DIR
from tests.postgres import NoServer, private_postgres


def main(wanted: list[str], rounds: int) -> int:
    """Measure on SQLite, then on PostgreSQL, each in a process of its own; print the table."""
    given = os.environ.get("TEST_DATABASE_URL")
    measured, codes = {}, []
    measured["SQLite"], code = _measured("SQLite", None, wanted, rounds)
    codes.append(code)
    try:
        with nullcontext(given) if given else private_postgres() as url:
            measured["PostgreSQL"], code = _measured("PostgreSQL", url, wanted, rounds)
            codes.append(code)
    except NoServer as reason:
        print(reason, file=sys.stderr)
        codes.append(1)
    print("", *table(measured), sep="\n")
    return max(codes)


def _measured(
    label: str, url: str | None, wanted: list[str], rounds: int
) -> tuple[list[Figure], int]:
    """Return what another process measured, as far as it came, and its exit code."""
    print(f"On {label}", flush=True)
    environment = {name: value for name, value in os.environ.items() if name != "TEST_DATABASE_URL"}
    environment |= {"TEST_DATABASE_URL": url} if url else {}
    with tempfile.NamedTemporaryFile("r") as notes:
        options = ["--here", "--notes", notes.name, "--rounds", str(rounds)]
        command = [sys.executable, "-m", "tests.bench", *options, *wanted]
        code = subprocess.run(command, env=environment, check=False).returncode
        return [Figure.from_json(json.loads(line)) for line in notes], code


def measure_here(wanted: list[str], rounds: int, notes: str) -> int:
    """Measure on the one database of the settings, print and note; return the exit code."""
    import django
    from django.test.utils import setup_databases, teardown_databases

    django.setup()
    # The queue tells of each message it is given.
    logging.disable(logging.INFO)
    databases = setup_databases(verbosity=0, interactive=False)
    met = True
    try:
        with Path(notes).open("a") as kept:
            for figure in figures(wanted, rounds):
                print(f"  {figure}", flush=True)
                print(json.dumps(figure.as_json()), file=kept, flush=True)
                met = met and figure.is_met
    finally:
        teardown_databases(databases, verbosity=0)
        shutil.rmtree(DATA_DIR, ignore_errors=True)
    return 0 if met else 1


def figures(wanted: list[str], rounds: int) -> Iterator[Figure]:
    """Measure the modules named, or all of them, in order of their names."""
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.stem == "__main__" or (wanted and path.stem not in wanted):
            continue
        module = importlib.import_module(f"tests.bench.{path.stem}")
        if hasattr(module, "measure"):
            yield from module.measure(rounds)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("modules", nargs="*", metavar="module")
    parser.add_argument("--rounds", type=int, default=3, help="of what is cheap (default 3)")
    parser.add_argument("--here", action="store_true", help="on the database of the settings")
    parser.add_argument("--notes", default=os.devnull, help="where to note figures, with --here")
    return parser.parse_args()


if __name__ == "__main__":
    options = _options()
    if options.here:
        sys.exit(measure_here(options.modules, options.rounds, options.notes))
    sys.exit(main(options.modules, options.rounds))
