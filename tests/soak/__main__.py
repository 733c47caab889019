"""`python -m tests.soak [--minutes 30] [--seed 1] [--accounts 50] [--resources 5000]`.

Prints its figures and each check; the exit code is 1 if one is not met. The logs, the database
and the lab's state stay in the folder it names when a check has failed, or with ``--keep``.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tests.soak import processes
from tests.soak.plan import Options, blows
from tests.soak.report import checks

SETTLE_MINUTES = 5.0


def main() -> int:
    """Run; return the exit code."""
    options, keeps = _parse()
    folder = Path(tempfile.mkdtemp(prefix="standby-soak-"))
    print(
        f"{options.minutes:g} minutes, {options.accounts} accounts, {options.resources} resources, "
        f"seed {options.seed}: {len(blows(options))} blows. In {folder}",
        flush=True,
    )
    # Imported when Django's settings can be read: they come from the environment made here.
    from tests.soak import world as worlds

    database = processes.database()
    try:
        world = worlds.build(options, folder, database)
    except BaseException:
        database.stop()
        database.remove()
        raise
    from tests.soak.run import run

    try:
        is_good = checks(run(world))
    finally:
        shutil.copy(database.log, folder / "database.log")
        database.dump("standby", folder / "database.sql")
        world.stop()
    if is_good and not keeps:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        print(f"Logs, database and the lab's state are in {folder}")
    return 0 if is_good else 1


def _parse() -> tuple[Options, bool]:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument(
        "--minutes", type=float, default=30.0, help="how long faults and people go on"
    )
    parser.add_argument("--seed", type=int, default=int(time.time()) % 10_000)
    parser.add_argument("--accounts", type=int, default=50)
    parser.add_argument("--resources", type=int, default=5000)
    parser.add_argument("--rate", type=float, default=5.0, help="requests in a second, at most")
    parser.add_argument("--scale", type=float, default=10.0, help="lab seconds in a real second")
    parser.add_argument("--keep", action="store_true", help="keep the folder of logs")
    given = vars(parser.parse_args())
    keeps = given.pop("keep")
    return Options(**given), keeps


if __name__ == "__main__":
    sys.exit(main())
