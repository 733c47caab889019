"""A choice among very many things: typed, with names proposed."""

from __future__ import annotations

import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django import forms
from django.test import Client
from django.urls import reverse

from portal.choices import LONG, LongSelect
from portal.models import Account, CloudAccount, User
from tests.factories import CloudAccountFactory
from tests.people import World

FEW = [(str(uuid.UUID(int=number)), f"Thing {number}") for number in range(3)]
MANY = [(f"thing:{uuid.UUID(int=number * 2**96)}", f"Thing {number}") for number in range(1, 200)]


def _form(choices: list[tuple[str, str]], **data: str) -> forms.Form:
    class Asked(forms.Form):
        thing = forms.ChoiceField(choices=choices, widget=LongSelect)

    return Asked(data or None)


def test_few_are_a_select() -> None:
    page = str(_form(FEW)["thing"])
    assert page.count("<option") == 3
    assert "<select" in page
    assert "<datalist" not in page


def test_many_are_proposed_by_name_and_sent_by_name() -> None:
    page = str(_form(MANY)["thing"])
    assert "<select" not in page
    listed = re.findall(r'<option value="([^"]+)">', page)
    assert listed == [name for _, name in MANY]
    assert re.findall(r' list="([^"]+)"', page) == re.findall(r'<datalist id="([^"]+)"', page)
    form = _form(MANY, thing=" Thing 7 ")
    assert form.is_valid()
    assert form.cleaned_data["thing"] == MANY[6][0]
    # As a page sends it that was drawn while there were few.
    assert _form(MANY, thing=MANY[6][0]).is_valid()


def test_a_name_that_is_nobodys_is_refused_and_stays_in_the_field() -> None:
    form = _form(MANY, thing='Thing "7000"')
    assert "thing" in form.errors
    assert 'value="Thing &quot;7000&quot;"' in str(form["thing"])


def test_names_that_two_have_are_told_apart() -> None:
    twice = [*MANY, (f"thing:{uuid.UUID(int=777 * 2**96)}", "Thing 7")]
    assert not _form(twice, thing="Thing 7").is_valid()
    (other,) = re.findall(r'<option value="(Thing 7 · 00000309)">', str(_form(twice)["thing"]))
    form = _form(twice, thing=other)
    assert form.is_valid()
    assert form.cleaned_data["thing"] == twice[-1][0]


@pytest.mark.django_db
def test_an_account_is_made_on_one_of_many_cloud_accounts(
    world: World, customer_admin: User, sign_in: Callable[[User], Client]
) -> None:
    for number in range(LONG + 1):
        CloudAccountFactory(customer=world.customer, name=f"cluster-{number:03}")
    client = sign_in(customer_admin)
    path = reverse("portal:account_create", args=[world.organization.pk])
    assert 'value="cluster-150"' in client.get(path).text
    form: dict[str, Any] = {"name": "New", "time_zone": "UTC", "infrastructure": "ahv"}
    refused = client.post(path, {**form, "cloud_account": "cluster-1"})
    assert "Choose a cloud account of the list." in refused.text
    assert 'value="cluster-1"' in refused.text
    assert client.post(path, {**form, "cloud_account": "cluster-150"}).status_code in {204, 302}
    account = Account.objects.get(name="New")
    assert account.cloud_account == CloudAccount.objects.get(name="cluster-150")
