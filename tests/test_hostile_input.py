"""Every address and every field of every form, given what people send who mean no good.

Addresses come out of the resolver, forms out of the pages that show them, names of
parameters out of the source: whatever is added is tried without being named here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from django import forms
from django.apps import apps
from django.contrib.admin import site
from django.db import transaction
from django.test import Client
from django.urls import reverse
from hypothesis import given
from hypothesis import strategies as st

from portal.forms import StandbyForm
from portal.models import CloudAccount, Infrastructure, User
from tests.addresses import APPS, Address, ours
from tests.factories import CloudAccountFactory, DiscoveredServerFactory
from tests.hostile import IS_WHOLE, TURNS, VALUES, assert_harmless, bounded, dealt, text
from tests.page_forms import Page, PageForm
from tests.people import World
from tests.things import Things

SignIn = Callable[[User], Client]
ROOT = Path(__file__).resolve().parent.parent
# Forms that no page of an administrator of the walk's world shows.
ELSEWHERE = {"JoinForm": "test_sign_in_guards", "AzureEditForm": "tried below"}


@cache
def parameters() -> tuple[str, ...]:
    """Names that are read of an address anywhere: of filter forms, and in so many words."""
    found = {"q", "sort", "page", "after", "before"}
    for app in APPS:
        for path in (ROOT / app).rglob("*.py"):
            if "lab" not in path.parts:
                found |= set(_READ.findall(path.read_text()))
    for form in _leaves(StandbyForm):
        found |= set(form.base_fields)
    return tuple(sorted(found))


_READ = re.compile(r"""(?:GET|POST|given|query|data)\b(?:\.get(?:list)?\(|\[)"(\w+)\"""")


def _leaves(form: type[forms.Form]) -> Iterator[type[forms.Form]]:
    """Classes of ours below this one that have none below themselves."""
    for below in form.__subclasses__():
        if below.__module__.partition(".")[0] in APPS:
            yield from _leaves(below) if below.__subclasses__() else [below]


def pages() -> list[Address]:
    return [address for address in ours() if address.mark != "api"]


@pytest.fixture
def admin(customer_admin: User, sign_in: SignIn, world: World) -> Client:
    """A Customer Administrator, in a world where every form has something to choose from."""
    DiscoveredServerFactory(cloud_account=world.cloud_account)
    client = sign_in(customer_admin)
    client.raise_request_exception = False
    return client


@contextmanager
def undone() -> Iterator[None]:
    """What happens in here has not."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


@pytest.mark.parametrize("turn", TURNS)
def test_no_page_stumbles_over_its_address(turn: int, things: Things, admin: Client) -> None:
    query = dealt(parameters(), turn)
    headers = {"HX-Request": "true"} if turn % 2 else {}
    for address in pages():
        answer = admin.get(things.path(address), query, headers=headers)
        assert_harmless(answer, f"{address} {query!r}")
        if answer.streaming:
            answer.getvalue()


@bounded
@given(data=st.data())
def test_no_page_stumbles_over_parts_of_its_address(
    data: st.DataObject, things: Things, admin: Client
) -> None:
    address = data.draw(st.sampled_from(pages()))
    names = data.draw(st.lists(st.sampled_from(parameters()), unique=True, max_size=5))
    query = {name: data.draw(text) for name in names}
    answer = admin.get(things.path(address), query)
    assert_harmless(answer, f"{address} {query!r}")
    if answer.streaming:
        answer.getvalue()


def _forms(client: Client, things: Things) -> Iterator[tuple[str, PageForm]]:
    """Every form that posts, of every page there is: by its address, each once."""
    seen = set()
    paths = [things.path(address) for address in pages()]
    paths += [f"/cloud-accounts/create/?kind={kind}" for kind in ("ahv", "azure")]
    for path in paths:
        answer = client.get(path)
        if answer.streaming or answer.status_code != 200:
            continue
        for form in Page(answer.text).forms:
            place = form.action or path
            key = (place.partition("?")[0], *sorted(form.values))
            if key not in seen and not place.startswith("/sign-in/"):
                seen.add(key)
                yield place, form


def assert_shown_again(answer: Any, form: PageForm, typed: dict[str, str], said: str) -> None:
    """What was typed stands in its field again, to be mended; a secret does not."""
    again = [each for each in Page(answer.text).forms if form.typed <= set(each.values)]
    assert again, said
    shown = again[0].values
    for name in form.typed - form.secret:
        kept = "".join(shown[name]).replace("\r\n", "\n").strip()
        assert kept == typed[name].replace("\r\n", "\n").strip(), (name, said)
    for name in form.secret:
        assert shown[name] == [""], (name, said)
    assert 'class="err"' in answer.text or 'role="alert"' in answer.text, said


@pytest.mark.parametrize("turn", TURNS)
def test_every_field_of_every_form_takes_it_or_says_why_not(
    turn: int, things: Things, admin: Client
) -> None:
    tried = 0
    for place, form in list(_forms(admin, things)):
        typed = dealt(form.typed, turn)
        said = f"{place} {typed!r}"
        tried += 1
        with undone():
            answer = admin.post(place, form.values | typed)
            assert_harmless(answer, said)
            if answer.status_code == 422 and typed:
                assert_shown_again(answer, form, typed, said)
            if answer.status_code == 302 and typed:
                assert_harmless(admin.get(answer["Location"]), said)
        with undone():
            assert_harmless(admin.post(place, dealt(form.values, turn)), said)
    assert tried > 40


def test_every_form_is_tried(things: Things, admin: Client) -> None:
    """Of each class of form, a page that the walk finds shows one."""
    shown = set()
    for place, form in list(_forms(admin, things)):
        with undone():
            shown |= _form_classes(admin.post(place, form.values))
    for address in pages():
        shown |= _form_classes(admin.get(things.path(address)))
    for kind in ("ahv", "azure"):
        shown |= _form_classes(admin.get(f"/cloud-accounts/create/?kind={kind}"))
    missing = {form.__name__ for form in _leaves(StandbyForm)} - shown - set(ELSEWHERE)
    assert not missing


def _form_classes(answer: Any) -> set[str]:
    """Classes of the forms that a page was drawn with."""
    contexts = [each for context in answer.context or [] for each in getattr(context, "dicts", [])]
    values = [value for each in contexts for value in each.values()]
    return {type(value).__name__ for value in values if isinstance(value, forms.BaseForm)}


@bounded
@given(data=st.data())
def test_no_form_stumbles_over_parts_of_what_it_is_sent(
    data: st.DataObject, things: Things, admin: Client
) -> None:
    place, form = data.draw(st.sampled_from(list(_forms_once(admin, things))))
    names = sorted({*form.values, *form.typed}) or ["name"]
    chosen = data.draw(st.lists(st.sampled_from(names), unique=True, min_size=1, max_size=4))
    sent = {**form.values, **{name: data.draw(text) for name in chosen}}
    with undone():
        assert_harmless(admin.post(place, sent), f"{place} {sent!r}")


_found: dict[int, list[tuple[str, PageForm]]] = {}


def _forms_once(client: Client, things: Things) -> list[tuple[str, PageForm]]:
    """The forms of this test's world, looked for once."""
    if id(things) not in _found:
        _found.clear()
        _found[id(things)] = list(_forms(client, things))
    return _found[id(things)]


@pytest.mark.parametrize("turn", TURNS)
def test_no_page_of_the_administration_stumbles(
    turn: int, things: Things, admin: Client, staff: User, sign_in: SignIn
) -> None:
    client = sign_in(staff)
    client.raise_request_exception = False
    tried = 0
    for place in _administration():
        query = {"q": VALUES[turn]} if place.endswith("/") else {}
        page = client.get(place, query)
        assert_harmless(page, f"{place} {query}")
        for form in Page(page.text).forms if page.status_code == 200 else []:
            if form.action:
                continue  # signing out, in the head of each page
            tried += 1
            for names in (form.typed, set(form.values) - {"csrfmiddlewaretoken"}):
                with undone():
                    sent = form.values | dealt(names, turn)
                    assert_harmless(client.post(place, sent), f"{place} {sent!r}")
    assert tried > 10


def _administration() -> Iterator[str]:
    """Lists, and the pages to add one and to change one, of all that staff see."""
    for model in site._registry:
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}"
        yield reverse(f"{name}_changelist")
        yield reverse(f"{name}_add")
        row = model._default_manager.first()
        if row is not None:
            yield reverse(f"{name}_change", args=[row.pk])


# Rows of another customer


def rows_naming(world: World) -> set[str]:
    """Every row of ours that names anything of this world."""
    things = (world.customer, world.organization, world.cloud_account, world.account,
              world.sandbox, world.utility_server)  # fmt: skip
    ids = {str(thing.pk) for thing in things} | {thing.pk.hex for thing in things}
    found = set()
    for app in APPS:
        for model in apps.get_app_config(app).get_models():
            for row in model._base_manager.values():
                if any(each in str(row) for each in ids):
                    found.add(f"{model.__name__} {row}")
    return found


def test_no_form_touches_what_is_another_customers(
    things: Things, admin: Client, elsewhere: World, stranger: User
) -> None:
    theirs: dict[str, Any] = {
        "customer": elsewhere.customer,
        "organization": elsewhere.organization,
        "account": elsewhere.account,
        "cloud_account": elsewhere.cloud_account,
        "server": DiscoveredServerFactory(cloud_account=elsewhere.cloud_account),
    }
    before = rows_naming(elsewhere)
    foreign = [str(each.pk) for each in (*theirs.values(), elsewhere.sandbox)]
    foreign += [f"{kind}:{thing.pk}" for kind, thing in theirs.items() if kind != "server"]
    values = itertools.cycle(foreign)
    for place, form in list(_forms(admin, things)):
        for name in sorted(set(form.values) - form.typed - {"csrfmiddlewaretoken"}):
            for value in itertools.islice(values, len(foreign) if IS_WHOLE else 2):
                with undone():
                    answer = admin.post(place, _filled(form) | {name: value})
                    assert_harmless(answer, f"{place} {name} {value}")
                    if answer.status_code < 400:
                        assert rows_naming(elsewhere) == before, f"{place} {name} {value}"


def _filled(form: PageForm) -> dict[str, Any]:
    """What a person would send: what is there, and something in each empty field."""
    typed = {name: "new@example.org" if "email" in name else "A name" for name in form.typed}
    return form.values | {name: text for name, text in typed.items() if form.values[name] == [""]}


def test_a_subscriptions_form_is_as_strict(world: World, admin: Client) -> None:
    subscription: CloudAccount = CloudAccountFactory(
        customer=world.customer, kind=Infrastructure.AZURE, endpoint="https://203.0.113.7",
        secrets={"tenant": "t", "client_id": "c", "subscription": "s", "client_secret": "x",
                 "authority": "https://203.0.113.8"},
    )  # fmt: skip
    place = f"/cloud-accounts/{subscription.pk}/edit/"
    (form,) = (each for each in Page(admin.get(place).text).forms if "tenant" in each.values)
    for value in VALUES:
        typed = dict.fromkeys(form.typed, value)
        answer = admin.post(place, form.values | typed)
        assert_harmless(answer, value)
        assert answer.status_code == 422
        assert_shown_again(answer, form, typed, value)
    before = subscription.secrets
    subscription.refresh_from_db()
    assert subscription.secrets == before
