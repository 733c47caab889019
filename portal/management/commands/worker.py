"""manage.py worker: run the durable tasks of this deployment, any number of machines at once."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error, connections

from portal.engine.wake import ensure_tick, wake_worker
from portal.outages import gist
from portal.processes.supervisor import Supervisor


class Command(BaseCommand):
    # `check --deploy` and doctor look at a deployment; a worker has to be up quickly.
    requires_system_checks = ()
    help = "Run the worker: a django-q2 cluster and the supervisor that keeps it whole."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--grace",
            type=float,
            default=10.0,
            metavar="SECONDS",
            help="how long work at hand may take when the worker is told to end (default 10)",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        command = [sys.executable, sys.argv[0], "qcluster", "--skip-checks"]
        Supervisor(command, prepare, options["grace"]).run()


def prepare() -> str:
    """Make sure of the minute's tick and leave a wake; return what hinders that, or ""."""
    try:
        ensure_tick()
        wake_worker()
    except Error as error:
        return gist(error)
    finally:
        # The supervisor needs it for this moment only, and would not notice it breaking.
        connections.close_all()
    return ""
