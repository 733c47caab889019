"""The form of the Disaster recovery tab: it checks input, and nothing else."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db.models import QuerySet

from disaster_recovery.models import RecoverySettings
from portal.choices import LongModelChoiceField
from portal.clouds.regions import AZURE_REGIONS
from portal.forms import StandbyForm
from portal.models import Account, CloudAccount, Infrastructure

_SWITCH = {"class": "switch", "role": "switch"}
_RPO = "Enter a whole number of hours from 1 to 720."


def _switch(**attrs: Any) -> forms.CheckboxInput:
    return forms.CheckboxInput(attrs={**_SWITCH, **attrs})


class RecoveryForm(StandbyForm):
    """Labels as R128 to R139 quote them. Fields a disabled switch hides are not required."""

    enable = forms.BooleanField(
        label="Enable Frame DR",
        required=False,
        widget=_switch(**{"data-reveals": True}),
        help_text="Every backup of a persistent resource is replicated to the secondary location.",
    )
    cloud_account = LongModelChoiceField(
        CloudAccount.objects.none(),
        label="Backup cloud account",
        required=False,
        empty_label="Choose a cloud account",
        error_messages={"invalid_choice": "Choose a cloud account of the list."},
    )
    site = forms.ChoiceField(
        label="Backup data center",
        required=False,
        error_messages={"invalid_choice": "Choose a region of the list."},
    )
    target_rpo_hours = forms.IntegerField(
        label="Target recovery point (RPO), in hours",
        min_value=1,
        max_value=720,
        error_messages=dict.fromkeys(("required", "invalid", "min_value", "max_value"), _RPO),
        help_text="How much work may be lost at most. The Disaster recovery page warns beyond it.",
    )
    post_session_backup = forms.BooleanField(
        label="Enable post-session backup",
        required=False,
        widget=_switch(),
        help_text="After a user session is closed, back up its server, or its user volume once "
        "detached. The server stays powered on, so the next session starts at once, but the "
        "backup of a running server may be inconsistent.",
    )
    stops_server = forms.BooleanField(
        label="Stop server before post-session backup",
        required=False,
        # R137: the script disables it while the other is off; without script, `clean` says so.
        widget=_switch(**{"data-needs": "id_post_session_backup"}),
        help_text="Makes the backup consistent. The next session waits for the server to power "
        "on. Only with post-session backup.",
    )

    # What was set when the page was drawn; drawn by the template, always as it is now.
    seen = forms.CharField(required=False, max_length=64, widget=forms.HiddenInput())

    def __init__(
        self, account: Account, choices: QuerySet[CloudAccount], *args: Any, **kwargs: Any
    ) -> None:
        chosen = RecoverySettings.of(account)
        kwargs["initial"] = {
            "enable": account.dr_enabled,
            "cloud_account": account.dr_cloud_account,
            "site": account.dr_site,
            "target_rpo_hours": chosen.target_rpo_hours,
            "post_session_backup": chosen.post_session_backup,
            "stops_server": chosen.stops_server,
        }
        super().__init__(*args, **kwargs)
        self.present = RecoverySettings.fingerprint(account)
        self.is_azure = account.infrastructure == Infrastructure.AZURE
        field = self.fields["cloud_account"]
        if isinstance(field, forms.ModelChoiceField):
            field.queryset = choices.order_by("name")
        if self.is_azure:
            self._offer_regions(account)
        else:
            del self.fields["site"]
        if account.is_vendor_hosted:
            self.fields["enable"].disabled = True

    def _offer_regions(self, account: Account) -> None:
        """Every region but the account's own (R105), and the one that is set."""
        known = {*AZURE_REGIONS, account.dr_site} - {"", account.site.lower()}
        field = self.fields["site"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [("", "Choose a region"), *((name, name) for name in sorted(known))]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        if not cleaned.get("enable"):
            return cleaned
        if not cleaned.get("cloud_account") and "cloud_account" not in self.errors:
            self.add_error("cloud_account", "Choose a backup cloud account.")
        if self.is_azure and not cleaned.get("site") and "site" not in self.errors:
            self.add_error("site", "Choose a backup data center.")
        if cleaned.get("stops_server") and not cleaned.get("post_session_backup"):
            self.add_error("stops_server", "Enable post-session backup first, or leave this off.")
        return cleaned
