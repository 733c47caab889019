"""Every address, as every role, on every method: what comes is what the access mark promises.

A new view is walked as soon as it has an address; what its arguments stand for is
looked up in `tests.things`. POST is sent empty, so that it is judged by who may send it.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from django.apps import apps
from django.test import Client

from portal.access import Permission, permissions
from portal.models import CloudAccount, Customer, Organization, Role, RoleGrant, User
from tests.addresses import Address, ours
from tests.people import World
from tests.things import Things

ROLES = (
    "customer_admin",
    "org_admin",
    "account_admin",
    "support",
    "auditor",
    "neighbour",
    "stranger",
    "staff",
)
METHODS = ("get", "post", "put", "patch", "delete", "head", "options")


def _gate(mark: str, user: User, world: World) -> int:
    """The status at which the mark stops this person; 200 when it lets them through."""
    kind, _, detail = mark.partition(":")
    if kind == "account":
        rights = permissions(user, world.account)
        if not rights:
            return 404
        return 200 if Permission(detail) in rights else 403
    if kind == "cloud_account":
        this = world.cloud_account.pk
        if not CloudAccount.objects.visible_to(user).filter(pk=this).exists():
            return 404
        managed = CloudAccount.objects.managed_by(user).filter(pk=this).exists()
        return 200 if detail == "view" or managed else 403
    if kind == "administrators":
        above = [Role.CUSTOMER_ADMINISTRATOR, Role.ORGANIZATION_ADMINISTRATOR]
        return 200 if RoleGrant.objects.filter(user=user, role__in=above).exists() else 403
    return 200


def _inner(address: Address, user: User, world: World) -> set[int]:
    """What may come once the mark has let a person through, for views that look further."""
    if "customer" in address.arguments:
        mine = Customer.objects.administered_by(user).filter(pk=world.customer.pk)
        return {200, 302, 422} if mine.exists() else {404}
    if address.name == "portal:organization_delete":
        mine = Customer.objects.administered_by(user).filter(pk=world.customer.pk)
        return {200, 302, 422} if mine.exists() else {404}
    if address.mark == "administrators" and "organization" in address.arguments:
        own = Organization.objects.administered_by(user).filter(pk=world.organization.pk)
        return {200, 302, 422} if own.exists() else {404}
    if address.name in {"reporting:task_cancel", "reporting:task_retry"}:
        # What it takes to start such a task: this one backs up a server.
        may_start = Permission.BACK_UP_SERVERS in permissions(user, world.account)
        return {200, 302, 422} if may_start else {403}
    if address.name in ASKED_AGAIN:
        return {302, 404}
    if address.name in NOT_THERE:
        return {404}
    if address.name == "portal:readyz":
        return {200, 503}
    return {200, 204, 302, 409, 422}


# There is no such invitation; the settings have no token of metrics and no identity provider; and
# nobody ends a session, or takes away an identity, of somebody else's.
NOT_THERE = {
    "portal:invitation_accept",
    "reporting:metrics",
    "portal:single_sign_on",
    "portal:single_sign_on_back",
    "portal:session_end",
}
# First asked who they are, once more; then theirs alone, or not set up.
ASKED_AGAIN = {"portal:identity_connect", "portal:identity_disconnect"}


@pytest.mark.parametrize("who", ROLES)
@pytest.mark.parametrize("address", ours(), ids=str)
def test_a_person_gets_what_the_mark_promises(
    address: Address,
    who: str,
    things: Things,
    sign_in: Callable[[User], Client],
    request: pytest.FixtureRequest,
) -> None:
    user: User = request.getfixturevalue(who)
    client, path = sign_in(user), things.path(address)
    gate = _gate(address.mark, user, things.world)
    inner = _inner(address, user, things.world)
    for method in METHODS:
        answer = getattr(client, method)(path)
        if answer.streaming:
            answer.getvalue()  # only so many may be written at a time
        status = answer.status_code
        # A method the view does not know is refused either before or after the gate.
        expected = {405} | (inner if gate == 200 else {gate})
        assert status in expected, f"{method} {path} as {who}: {status}, not {expected}"
        if method in {"put", "patch", "delete", "options"}:
            assert status in {405, gate}, f"{method} {path} as {who}: {status}"
        if not User.objects.filter(pk=user.pk, grants__isnull=False).exists():
            break  # the walk has taken the person's own right away


@pytest.mark.parametrize("address", ours(), ids=str)
def test_nobody_who_is_not_signed_in_gets_further_than_sign_in(
    address: Address, things: Things
) -> None:
    client, path = Client(), things.path(address)
    for method in METHODS:
        answer = getattr(client, method)(path)
        if address.mark == "public":
            assert answer.status_code in {200, 404, 405, 503}
        else:
            assert answer.status_code == 302, f"{method} {path}: {answer.status_code}"
            assert answer["Location"].startswith("/sign-in/")


# Whoever takes data along leaves an entry in the trail, and nothing else.
TAKEN_ALONG = {"reporting:report_export", "reporting:report_print"}


@pytest.mark.parametrize("address", ours(), ids=str)
def test_reading_changes_nothing(
    address: Address, things: Things, customer_admin: User, sign_in: Callable[[User], Client]
) -> None:
    client, path = sign_in(customer_admin), things.path(address)
    before = _counts()
    for method, fragment in itertools.product(("get", "head"), ({}, {"HX-Request": "true"})):
        getattr(client, method)(path, headers=fragment)
    after = _counts()
    if address.name in TAKEN_ALONG:
        assert after.pop("AuditEntry") > before.pop("AuditEntry")
    assert after == before


def _counts() -> dict[str, int]:
    models = [
        model
        for app in ("portal", "backups", "disaster_recovery")
        for model in apps.get_app_config(app).get_models()
    ]
    return {model.__name__: model._default_manager.count() for model in models}
