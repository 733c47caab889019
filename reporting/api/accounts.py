"""What a key reaches: organizations and accounts."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from ninja import Field, Query, Router, Schema

from backups.models import Backup
from portal.access import Permission
from portal.models import Account, Infrastructure, Organization
from portal.paging import Order
from reporting.api.keys import account_of, require
from reporting.api.pages import PageQuery, page, refuse_unknown
from reporting.api.problems import PROBLEMS
from reporting.api.values import Line

router = Router(tags=["accounts"])
_BY_NAME = Order("name", is_descending=False)


class OrganizationOut(Schema):
    id: UUID
    name: str
    customer_id: UUID
    customer: str

    @staticmethod
    def resolve_customer(row: Organization) -> str:
        return row.customer.name


class OrganizationsOut(Schema):
    items: list[OrganizationOut]
    next: str | None


class AccountOut(Schema):
    """``last_publish`` is when the newest publish backup there is was complete."""

    id: UUID
    name: str
    organization_id: UUID
    organization: str
    kind: Literal[*Infrastructure.values]  # type: ignore[valid-type]
    site: str
    time_zone: str
    is_domain_joined: bool
    has_disaster_recovery: bool
    inserted_at: datetime
    last_publish: datetime | None

    @staticmethod
    def resolve_organization(row: Account) -> str:
        return row.organization.name

    @staticmethod
    def resolve_kind(row: Account) -> str:
        return row.infrastructure

    @staticmethod
    def resolve_has_disaster_recovery(row: Account) -> bool:
        return row.dr_enabled

    @staticmethod
    def resolve_inserted_at(row: Account) -> datetime:
        return row.created_at


class AccountsOut(Schema):
    items: list[AccountOut]
    next: str | None


class NamedQuery(PageQuery):
    name: Line = Field("", max_length=100, description="Part of the name, in any case.")


class AccountQuery(NamedQuery):
    organization_id: UUID | None = Field(None, description="Of this organization alone.")


@router.get(
    "/organizations", response={200: OrganizationsOut, **PROBLEMS}, summary="List organizations"
)
def list_organizations(request: HttpRequest, query: Query[NamedQuery]) -> dict[str, Any]:
    """Organizations in which the key reaches an account, or which it is for, by name."""
    refuse_unknown(request, query)
    key = require(request, Permission.VIEW)
    rows = key.organizations().select_related("customer").filter(name__icontains=query.name)
    return page(rows, _BY_NAME, query)


@router.get("/accounts", response={200: AccountsOut, **PROBLEMS}, summary="List accounts")
def list_accounts(request: HttpRequest, query: Query[AccountQuery]) -> dict[str, Any]:
    """Accounts the key reaches, by name."""
    refuse_unknown(request, query)
    rows = require(request, Permission.VIEW).accounts().filter(name__icontains=query.name)
    if query.organization_id:
        rows = rows.filter(organization=query.organization_id)
    return page(_with_publish(rows), _BY_NAME, query)


@router.get("/accounts/{account}", response={200: AccountOut, **PROBLEMS}, summary="Get an account")
def get_account(request: HttpRequest, account: UUID) -> Account:
    found = account_of(request, account)
    return _with_publish(Account.objects.select_related("organization")).get(pk=found.pk)


def _with_publish(rows: QuerySet[Account]) -> QuerySet[Account]:
    published = Backup.objects.filter(
        account=OuterRef("pk"), type=Backup.Type.PUBLISH, status=Backup.Status.READY
    )
    newest = published.order_by("-created_at").values("completed_at")[:1]
    return rows.annotate(last_publish=Subquery(newest))
