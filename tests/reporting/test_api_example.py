"""The worked, signed request of the help is run as it stands there (R157)."""

from __future__ import annotations

import re
import subprocess
import sys
from html import unescape

import pytest
from pytest_django.live_server_helper import LiveServer

from portal.audit import SYSTEM
from portal.models import User
from reporting import api_keys
from reporting.models import DataAvailability, DataType
from tests.people import World
from tests.reporting.pages import SignIn, text_of, url


def _example(text: str, name: str) -> str:
    found = re.search(rf'id="{name}">(.*?)</code>', text, re.DOTALL)
    assert found
    return unescape(found[1])


@pytest.mark.django_db
def test_the_example_signature_is_right(world: World, auditor: User, sign_in: SignIn) -> None:
    text = text_of(sign_in(auditor), url("api_key_list", world.account))
    client_id, stamp = "7d3f0a52-1c84-4b8e-9a67-2f5be0c4d911", "1767225600"
    assert client_id in text
    assert stamp in text
    wanted = api_keys.signature("an-example-secret", stamp, client_id)
    assert _example(text, "api-example-signature") == wanted


@pytest.mark.parametrize("level", ["account", "customer"])
def test_the_shown_example_gets_an_answer(
    live_server: LiveServer, world: World, customer_admin: User, sign_in: SignIn, level: str
) -> None:
    """By a plain HTTP client in a process of its own, which knows nothing of the product."""
    # A test before this one may have emptied all tables.
    facts = {"position": 2, "months": 24, "has_csv": True, "has_api": True}
    DataAvailability.objects.get_or_create(data_type=DataType.AUDIT_TRAIL, defaults=facts)
    key, secret = api_keys.create(
        SYSTEM, getattr(world, level), name="Reader", role="auditor", manner="signed"
    )
    address = url("api_key_list", world.account)
    if level == "customer":
        address = f"/customers/{world.customer.pk}/api-keys/"
    host = live_server.url.partition("//")[2]
    text = sign_in(customer_admin).get(address, headers={"Host": host}).content.decode()
    program = _example(text, "api-example-python")
    assert live_server.url in program
    program = program.replace("YOUR-CLIENT-ID", str(key.pk)).replace("YOUR-SECRET", secret)
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("200 {'items': [")
