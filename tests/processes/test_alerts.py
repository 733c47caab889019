"""A sender that is killed while it sends: what it had taken arrives all the same, under its id."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

from django.conf import settings
from django.utils import timezone

from portal.notify import Kind, tell
from portal.secret_field import Secrets
from reporting import alert_sending
from reporting.models import AlertDelivery, AlertRule
from tests.people import make_world
from tests.reporting.receiver import receiving

SEND = "import django; django.setup(); from reporting.alert_sending import run; run()"


def test_what_a_killed_sender_had_taken_is_sent_by_the_next(
    process_environment: dict[str, str], started: list[subprocess.Popen[bytes]]
) -> None:
    account = make_world("Meridian").account
    with receiving() as receiver:
        AlertRule.objects.create(
            account=account, name="Chat", channel="webhook", url=receiver.url,
            secret=Secrets(secret="s"), portal_url="http://portal.example/",
        )  # fmt: skip
        tell(account, "error", "It failed", kind=Kind.BACKUP)
        receiver.drips = True
        # With the keys of this run, so that it can read the secret.
        sender = subprocess.Popen([sys.executable, "-c", SEND], env=_with_keys(process_environment))
        started.append(sender)
        assert receiver.arrived.wait(60)
        sender.kill()
        sender.wait()
        receiver.drips = False
        alert_sending.run()
        assert len(receiver.came) == 1, "the claim of the dead still holds"
        later = timezone.now() - timedelta(seconds=1)
        AlertDelivery.objects.update(claimed_until=later)
        alert_sending.run()
    ids = [headers["X-Standby-Delivery"] for headers, _ in receiver.came]
    assert len(ids) == 2
    assert len(set(ids)) == 1
    delivery = AlertDelivery.objects.get()
    assert (delivery.state, delivery.attempts) == (AlertDelivery.State.SENT, 2)


def _with_keys(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"SECRETS_KEYS": ",".join(settings.SECRETS_KEYS)}
