"""manage.py load_demo: the demo's customers, people, machines and backups, made against the lab."""

from __future__ import annotations

import logging
import os
from typing import Any

import requests
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from portal.processes.demo import broker_settings, lab_ports, port_of
from reporting import demo_history
from reporting.demo import Lab, load
from reporting.demo_sessions import write_settings


class Command(BaseCommand):
    help = "Load the demo (STANDBY_DEMO=1 only; the lab must be running). May be run again."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.DEMO:
            raise CommandError("The demo is loaded only where STANDBY_DEMO=1 is set.")
        # Its line for every wake would drown what is said here.
        logging.getLogger("django-q").setLevel(logging.WARNING)
        ca_path = settings.DATA_DIR / "lab" / "ca.pem"
        endpoints = {name: f"https://127.0.0.1:{port}" for name, port in lab_ports().items()}
        try:
            lab = Lab(endpoints, ca_path)
            load(lab, self.stdout.write)
        except (requests.RequestException, FileNotFoundError) as error:
            raise CommandError(
                f"The lab does not answer: {error}. Start it with: python -m portal.lab"
            ) from error
        demo_history.load(self.stdout.write)
        write_settings(lab, f"http://127.0.0.1:{port_of(os.environ)}", broker_settings())
