"""Measures what the design promises: `python -m tests.bench [module ...]`.

Every module of this folder with a function ``measure() -> Iterator[Figure]`` takes part.
It finds Django set up and an empty, migrated database (SQLite in a file, or
TEST_DATABASE_URL), which it shares with the modules before it. One line a figure; the
exit code is 1 if one missed its target.
"""

from __future__ import annotations

import importlib
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tests.environment import DATA_DIR

if TYPE_CHECKING:
    from tests.bench.figure import Figure


def main(wanted: list[str]) -> int:
    """Measure and print; return the exit code."""
    import django
    from django.test.utils import setup_databases, teardown_databases

    django.setup()
    databases = setup_databases(verbosity=0, interactive=False)
    met = True
    try:
        for figure in figures(wanted):
            print(figure, flush=True)
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
    sys.exit(main(sys.argv[1:]))
