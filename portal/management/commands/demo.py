"""manage.py demo: lab, worker and web in one foreground command (`make run`)."""

from __future__ import annotations

import errno
import os
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from portal.processes.demo import CannotRun, demo_environment, interrupts, run


class Command(BaseCommand):
    help = "Run the demo on 127.0.0.1 (PORT, default 8000): emulated clouds, worker and web."
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--with-parent",
            action="store_true",
            help="end when the process that started this one ends",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        wanted = demo_environment(os.environ)
        if wanted != dict(os.environ):
            # The settings have been read by now; the demo's are others.
            os.execve(sys.executable, [sys.executable, *sys.argv], wanted)  # noqa: S606
        try:
            with interrupts(with_parent=options["with_parent"]):
                run(self.stdout.write)
        except KeyboardInterrupt:
            self.stdout.write("\nStandby has ended.")
        except CannotRun as reason:
            sys.exit(str(reason))
        except OSError as error:
            if error.errno != errno.ENOSPC:
                raise
            sys.exit("The disk is full; the demo has ended.")
