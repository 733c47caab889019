"""manage.py doctor: what is wrong with this deployment, in plain words."""

from __future__ import annotations

import sys
from textwrap import indent
from typing import Any

from django.core.management.base import BaseCommand

from portal import health


class Command(BaseCommand):
    help = "Say what is wrong with this deployment; exit code 1 when something is."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        findings = [*health.check_settings(), *health.readiness()]
        if all(finding.is_ok for finding in findings if finding.name in {"database", "migrations"}):
            findings += [health.check_secrets(), *health.check_cloud_accounts()]
        for finding in findings:
            self.stdout.write(f"{'ok ' if finding.is_ok else 'BAD'}  {finding.text}")
            if finding.detail:
                self.stdout.write(indent(finding.detail, " " * 5))
        wrong = sum(not finding.is_ok for finding in findings)
        if wrong:
            self.stdout.write(f"{wrong} of {len(findings)} checks found something wrong.")
            sys.exit(1)
        self.stdout.write("Nothing is wrong.")
