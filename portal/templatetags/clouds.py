"""Words and marks of cloud accounts and their machines."""

from __future__ import annotations

from django import template
from django.utils.safestring import SafeString

from portal.models import CloudAccount
from portal.templatetags.ui import Look, status

register = template.Library()

HEALTH_LOOK = {
    CloudAccount.Health.REACHABLE.value: Look("ok", "okcircle"),
    CloudAccount.Health.UNREACHABLE.value: Look("bad", "link-off"),
    CloudAccount.Health.REFUSED.value: Look("bad", "lock"),
    CloudAccount.Health.UNKNOWN.value: Look("idle", "dash"),
}


@register.filter
def health_status(cloud_account: CloudAccount) -> SafeString:
    """What the last contact showed, in its word and colour."""
    return status(*HEALTH_LOOK[cloud_account.health], cloud_account.get_health_display())


@register.filter
def memory(megabytes: int) -> str:
    """Memory of a machine: ``16 GB``, ``512 MB``."""
    return f"{megabytes / 1024:g} GB" if megabytes >= 1024 else f"{megabytes} MB"
