"""Django admin: staff make customers and people; everything they do is in the audit trail."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib import admin
from django.db import OperationalError, connection
from django.test import Client
from django.urls import reverse

from portal.models import (
    Account,
    AuditEntry,
    CloudAccount,
    Customer,
    Role,
    RoleGrant,
    Task,
    User,
)
from tests.factories import (
    CloudAccountFactory,
    CustomerFactory,
    NotificationFactory,
    RoleGrantFactory,
    TaskFactory,
)
from tests.people import World

SignIn = Callable[[User], Client]
OURS = [model for model in admin.site._registry if model._meta.app_label == "portal"]


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_list_and_every_row_can_be_looked_at(
    world: World, customer_admin: User, staff: User, sign_in: SignIn, model: type[Customer]
) -> None:
    TaskFactory(account=world.account, resource=world.sandbox)
    NotificationFactory(account=world.account)
    client = sign_in(staff)
    name = f"admin:portal_{model._meta.model_name}"
    assert client.get(reverse(f"{name}_changelist"), {"q": "x"}).status_code == 200
    row = model._default_manager.first()
    if row is not None:
        page = client.get(reverse(f"{name}_change", args=[row.pk]))
        assert page.status_code == 200
        assert "cluster-password" not in page.text
        assert "style=" not in page.text


def test_nobody_can_put_a_call_into_the_queue_by_hand(staff: User, sign_in: SignIn) -> None:
    client = sign_in(staff)
    assert "Queue" not in client.get("/admin/").text
    for path in ("django_q/schedule/add/", "django_q/ormq/", "auth/group/"):
        assert client.get(f"/admin/{path}").status_code == 404


def test_only_staff_come_in(customer_admin: User, sign_in: SignIn) -> None:
    assert sign_in(customer_admin).get("/admin/portal/customer/").status_code in {302, 403}
    anonymous = Client().get("/admin/", follow=True)
    assert anonymous.redirect_chain[-1][0].startswith("/sign-in/")


def test_a_form_sent_back_as_it_was_is_no_change(staff: User, sign_in: SignIn) -> None:
    customer = CustomerFactory.create(name="Fabrikam")
    page = reverse("admin:portal_customer_change", args=[customer.pk])
    assert sign_in(staff).post(page, {"name": "Fabrikam"}).status_code == 302
    assert not AuditEntry.objects.filter(action="customer.edit").exists()


def test_making_changing_and_removing_a_customer_is_audited(staff: User, sign_in: SignIn) -> None:
    client = sign_in(staff)
    client.post("/admin/portal/customer/add/", {"name": "Fabrikam"})
    made = Customer.objects.get(name="Fabrikam")
    client.post(f"/admin/portal/customer/{made.pk}/change/", {"name": "Fabrikam Ltd"})
    client.post(f"/admin/portal/customer/{made.pk}/delete/", {"post": "yes"})
    assert not Customer.objects.filter(pk=made.pk).exists()
    entries = AuditEntry.objects.order_by("at").values_list("action", "actor", "detail__through")
    assert list(entries) == [
        (f"customer.{verb}", staff.pk, "admin") for verb in ("create", "edit", "delete")
    ]


def test_staff_make_a_person_and_give_a_role(world: World, staff: User, sign_in: SignIn) -> None:
    client = sign_in(staff)
    secret = "correct horse battery"
    client.post(
        "/admin/portal/user/add/",
        {
            "email": "New@Example.org",
            "full_name": "New",
            "usable_password": "true",
            "password1": secret,
            "password2": secret,
        },
    )
    person = User.objects.get(email="new@example.org")
    assert person.check_password(secret)
    client.post(
        "/admin/portal/rolegrant/add/",
        {"user": person.pk, "role": Role.AUDITOR, "account": world.account.pk},
    )
    assert person.grants.get().account == world.account
    assert AuditEntry.objects.filter(action="access.create", account=world.account).exists()
    assert secret not in str(list(AuditEntry.objects.values()))


def test_a_role_on_the_wrong_kind_of_scope_is_refused(
    world: World, staff: User, sign_in: SignIn
) -> None:
    answer = sign_in(staff).post(
        "/admin/portal/rolegrant/add/",
        {"user": staff.pk, "role": Role.CUSTOMER_ADMINISTRATOR, "account": world.account.pk},
    )
    assert "is granted on one customer" in answer.text
    assert not RoleGrant.objects.exists()


def test_the_last_customer_administrator_is_protected_here_too(
    world: World, customer_admin: User, staff: User, sign_in: SignIn
) -> None:
    grant = customer_admin.grants.get()
    url = f"/admin/portal/rolegrant/{grant.pk}/delete/"
    sign_in(staff).post(url, {"post": "yes"})
    assert RoleGrant.objects.filter(pk=grant.pk).exists()
    RoleGrantFactory(role=Role.CUSTOMER_ADMINISTRATOR, customer=world.customer)
    sign_in(staff).post(url, {"post": "yes"})
    assert not RoleGrant.objects.filter(pk=grant.pk).exists()


def test_a_cloud_accounts_password_goes_in_and_never_out(
    world: World, staff: User, sign_in: SignIn
) -> None:
    client = sign_in(staff)
    form = {
        "customer": world.customer.pk,
        "name": "ahv-staff",
        "endpoint": "https://203.0.113.7",
        "max_tasks": "25",
        "max_transfers": "20",
        "user": "admin",
        "password": "",
    }
    assert "Enter the password" in client.post("/admin/portal/cloudaccount/add/", form).text
    client.post("/admin/portal/cloudaccount/add/", form | {"password": "very-secret-4711"})
    made = CloudAccount.objects.get(name="ahv-staff")
    assert made.secrets["password"] == "very-secret-4711"
    url = f"/admin/portal/cloudaccount/{made.pk}/change/"
    assert "very-secret-4711" not in client.get(url).text
    client.post(url, form | {"endpoint": made.endpoint, "name": "renamed"})
    made.refresh_from_db()
    assert (made.name, made.secrets["password"]) == ("renamed", "very-secret-4711")
    assert "very-secret-4711" not in str(list(AuditEntry.objects.values()))


def test_the_sign_in_of_a_subscription_is_left_to_the_portal(
    world: World, staff: User, sign_in: SignIn
) -> None:
    secrets = {"tenant": "t", "client_secret": "very-secret-4711"}
    azure = CloudAccountFactory(customer=world.customer, kind="azure", secrets=secrets)
    url = f"/admin/portal/cloudaccount/{azure.pk}/change/"
    client = sign_in(staff)
    page = client.get(url).text
    assert "Prism Element" not in page
    assert "very-secret-4711" not in page
    sent = {
        "customer": world.customer.pk,
        "name": "renamed",
        "max_tasks": "3",
        "max_transfers": "20",
        "password": "x",
    }
    client.post(url, sent)
    azure.refresh_from_db()
    assert (azure.name, azure.secrets) == ("renamed", secrets)


def test_an_account_gets_only_a_cloud_account_it_can_use(
    world: World, elsewhere: World, staff: User, sign_in: SignIn
) -> None:
    form = {
        "organization": world.organization.pk,
        "name": "By staff",
        "time_zone": "UTC",
        "infrastructure": "ahv",
        "cloud_account": elsewhere.cloud_account.pk,
    }
    answer = sign_in(staff).post("/admin/portal/account/add/", form)
    assert "cannot use this cloud account" in answer.text
    assert not Account.objects.filter(name="By staff").exists()


def test_tasks_and_audit_entries_cannot_be_changed(
    world: World, staff: User, sign_in: SignIn
) -> None:
    task = TaskFactory(account=world.account)
    client = sign_in(staff)
    for url in (f"/admin/portal/task/{task.pk}/delete/", "/admin/portal/auditentry/add/"):
        assert client.post(url, {"post": "yes"}).status_code == 403
    assert Task.objects.filter(pk=task.pk).exists()


def test_an_account_shows_how_many_tasks_run_at_a_time_and_where_that_is_changed(
    world: World, staff: User, sign_in: SignIn
) -> None:
    CloudAccount.objects.filter(pk=world.cloud_account.pk).update(max_tasks=17)
    client = sign_in(staff)
    where = f"/admin/portal/cloudaccount/{world.cloud_account.pk}/change/"
    page = client.get(f"/admin/portal/account/{world.account.pk}/change/").text
    assert f'17, of the cloud account <a href="{where}">' in page
    form = {
        "customer": world.customer.pk,
        "name": "c",
        "max_tasks": "18",
        "max_transfers": "20",
        "user": "admin",
    }
    client.post(where, form | {"endpoint": world.cloud_account.endpoint})
    entry = AuditEntry.objects.get(action="cloud_account.edit")
    assert (entry.detail["before"], entry.detail["after"]) == (
        {"max_tasks": 17},
        {"max_tasks": 18},
    )
    assert entry.actor_label == "Sam Staff"


@pytest.mark.parametrize("query", ["Copy of monday", "Backup Sandbox", "{id}"])
def test_staff_find_a_task_and_read_it(
    world: World, staff: User, sign_in: SignIn, query: str
) -> None:
    task = TaskFactory(account=world.account, subject="Copy of Monday", operation="x-4711-x")
    other = TaskFactory(account=world.account, title="Other", subject="Something")
    client = sign_in(staff)
    found = client.get("/admin/portal/task/", {"q": query.format(id=task.pk)}).text
    assert str(task.pk) in found
    assert str(other.pk) not in found
    page = client.get(f"/admin/portal/task/{task.pk}/change/").text
    assert "Copy of Monday" in page
    assert "x-4711-x" not in page
    assert 'type="submit" value="Save"' not in page
    assert client.post(f"/admin/portal/task/{task.pk}/change/", {"state": "x"}).status_code == 403


def test_what_cannot_be_removed_leaves_no_entry_that_says_it_was(
    staff: User, sign_in: SignIn
) -> None:
    gone = CustomerFactory(name="Fabrikam")

    def refuse(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith("DELETE") and "portal_customer" in sql:
            raise OperationalError("the disk is full")
        return execute(sql, params, many, context)

    form = {"action": "delete_selected", "_selected_action": gone.pk, "post": "yes"}
    client = sign_in(staff)
    with connection.execute_wrapper(refuse), pytest.raises(OperationalError):
        client.post("/admin/portal/customer/", form)
    assert not AuditEntry.objects.exists()
    client.post("/admin/portal/customer/", form)
    assert AuditEntry.objects.get().action == "customer.delete"


def test_a_password_set_by_staff_is_in_the_trail_without_the_password(
    auditor: User, staff: User, sign_in: SignIn
) -> None:
    secret = "correct horse battery"
    form = {"usable_password": "true", "password1": secret, "password2": secret}
    sign_in(staff).post(f"/admin/portal/user/{auditor.pk}/password/", form)
    auditor.refresh_from_db()
    assert auditor.check_password(secret)
    entry = AuditEntry.objects.get(action="user.edit")
    assert (entry.actor, entry.detail["changed"]) == (staff, ["password"])
    assert secret not in str(list(AuditEntry.objects.values()))
