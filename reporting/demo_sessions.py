"""The demo's session broker: the key it reports with, and where it finds users at work."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from portal.audit import SYSTEM
from portal.models import Account, Infrastructure
from reporting import api_keys
from reporting.models import ApiKey
from reporting.models.api_keys import SESSION_BROKER

if TYPE_CHECKING:
    from reporting.demo import Lab

NAME = "The lab's session broker"


def write_settings(lab: Lab, url: str, path: Path) -> None:
    """Make a new key, revoke those of former runs, and write what the broker has to know.

    The file is its owner's alone: the key is in it.
    """
    accounts = list(
        Account.objects.exclude(cloud_account=None).select_related(
            "cloud_account", "organization__customer"
        )
    )
    for former in ApiKey.objects.filter(name=NAME, revoked_at=None):
        api_keys.revoke(SYSTEM, former)
    customer = accounts[0].organization.customer
    _, token = api_keys.create(SYSTEM, customer, name=NAME, role=SESSION_BROKER)
    desks = [
        {
            "account": str(account.pk),
            "cloud": account.cloud_account.endpoint if account.cloud_account else "",
            "is_azure": account.infrastructure == Infrastructure.AZURE,
        }
        for account in accounts
    ]
    settings = {"url": url, "token": token, "ca": str(lab.ca_path), "desks": desks}
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        json.dump(settings, file)
