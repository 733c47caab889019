"""Lists of accounts and of cloud accounts."""

from __future__ import annotations

import django_tables2 as tables
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from portal.models import Account, CloudAccount
from portal.tables import Table
from portal.templatetags.clouds import health_status
from portal.templatetags.ui import ago

NOT_KNOWN = mark_safe('<span aria-hidden="true">&ndash;</span><span class="vh">Not known</span>')


class AccountTable(Table):
    """Accounts a person can open."""

    name = tables.Column(
        "Account",
        linkify=("reporting:overview", {"account": tables.A("pk")}),
        attrs={"td": {"class": "lead"}},
    )
    organization = tables.Column(accessor="organization__name", verbose_name="Organization")
    customer = tables.Column(accessor="organization__customer__name", verbose_name="Customer")
    infrastructure = tables.Column()
    site = tables.Column(default=NOT_KNOWN)

    class Meta:
        model = Account
        fields = ("name", "organization", "customer", "infrastructure", "site")
        order_by = ("name",)
        empty_text = "No account matches"


class CloudAccountTable(Table):
    """Cloud accounts an administrator can use."""

    name = tables.Column(
        "Name",
        linkify=("portal:cloud_account_detail", {"cloud_account": tables.A("pk")}),
        attrs={"td": {"class": "lead"}},
    )
    health = tables.Column()
    registered_on = tables.Column(
        accessor="organization__name", verbose_name="Registered on", empty_values=()
    )
    version = tables.Column(default=NOT_KNOWN, attrs={"td": {"data-p": "2"}, "th": {"data-p": "2"}})
    last_answer_at = tables.Column("Last answer", empty_values=())
    synced_at = tables.Column("Last inventory", empty_values=())

    class Meta:
        model = CloudAccount
        fields = ("name", "health", "registered_on", "version", "last_answer_at", "synced_at")
        order_by = ("name",)
        empty_text = "No cloud accounts"

    def render_health(self, record: CloudAccount) -> SafeString:
        return health_status(record)

    def render_registered_on(self, record: CloudAccount) -> SafeString:
        scope = record.organization or record.customer
        level = "organization" if record.organization else "customer"
        return format_html('{} <span class="sub">{}</span>', scope, level)

    def render_last_answer_at(self, record: CloudAccount) -> SafeString:
        return ago(record.last_answer_at)

    def render_synced_at(self, record: CloudAccount) -> SafeString:
        return ago(record.synced_at)
