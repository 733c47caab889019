"""The form of an alert rule. Everything in it is what somebody typed."""

from __future__ import annotations

import re
from datetime import time
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from portal.endpoints import checked_webhook
from portal.forms import PlainCharField, StandbyForm, plain_text
from portal.models import Notification
from reporting.models import MOST_RECIPIENTS, AlertRule

Channel, Timing = AlertRule.Channel, AlertRule.Timing

# What is said of alerts themselves never leaves the portal.
KINDS = [choice for choice in Notification.Kind.choices if choice[0] != Notification.Kind.ALERT]
LEVELS = [
    (Notification.Level.INFO.value, "Everything: info, warnings and errors"),
    (Notification.Level.WARNING.value, "Warnings and errors"),
    (Notification.Level.ERROR.value, "Errors only"),
]
MOST_TYPED = 6000


class AlertRuleForm(StandbyForm):
    name = PlainCharField(max_length=100)
    kinds = forms.MultipleChoiceField(
        label="Notifications about",
        choices=KINDS,
        required=False,
        widget=forms.CheckboxSelectMultiple(attrs={"class": ""}),
        help_text="None chosen: all of them.",
    )
    lowest_level = forms.ChoiceField(label="Severity", choices=LEVELS, initial="warning")
    timing = forms.ChoiceField(
        label="When",
        choices=[(Timing.AT_ONCE.value, "At once"), (Timing.DAILY.value, "In a daily digest")],
        initial=Timing.AT_ONCE.value,
        widget=forms.RadioSelect(attrs={"class": ""}),
    )
    digest_time = forms.TimeField(
        label="Time of the digest",
        required=False,
        initial=time(8),
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"}),
        error_messages={"invalid": "Write the time as 08:00."},
    )
    channel = forms.ChoiceField(
        label="Send to",
        choices=[
            (Channel.EMAIL.value, "E-mail addresses"),
            (Channel.WEBHOOK.value, "A webhook: an address that other software listens at"),
        ],
        initial=Channel.EMAIL.value,
        widget=forms.RadioSelect(attrs={"class": ""}),
    )
    recipients = forms.CharField(
        label="E-mail addresses",
        required=False,
        max_length=MOST_TYPED,
        widget=forms.Textarea(attrs={"rows": 2, "autocomplete": "off"}),
        help_text=f"Up to {MOST_RECIPIENTS}, separated by commas or line breaks.",
    )
    url = forms.CharField(
        label="Address of the webhook",
        required=False,
        max_length=500,
        widget=forms.URLInput(attrs={"autocomplete": "off", "placeholder": "https://"}),
        help_text="https. What is posted is signed with a secret, which is shown when you save.",
    )

    def __init__(self, zone: str, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["digest_time"].help_text = f"For a daily digest. In {zone}."

    def clean_digest_time(self) -> time:
        return self.cleaned_data["digest_time"] or time(8)

    def clean_recipients(self) -> list[str]:
        """Addresses in lower case, each once, in the order given."""
        typed = re.split(r"[\s,;]+", self.cleaned_data["recipients"])
        found = list(dict.fromkeys(each.lower() for each in typed if each))
        if len(found) > MOST_RECIPIENTS:
            raise ValidationError(f"Give {MOST_RECIPIENTS} addresses at most.")
        for address in found:
            _check_address(address)
        return found

    def clean_url(self) -> str:
        typed = plain_text(self.cleaned_data["url"])
        return checked_webhook(typed) if typed else ""

    def clean(self) -> dict[str, Any]:
        """Ask for where to send to; keep nothing of what was not chosen."""
        data = super().clean() or self.cleaned_data
        wanted, other = "recipients", "url"
        if data.get("channel") == Channel.WEBHOOK:
            wanted, other = other, wanted
        if not data.get(wanted) and wanted not in self.errors:
            self.add_error(wanted, "Say where alerts are to be sent.")
        # What was typed into the field that does not count must not hold the form up.
        self.errors.pop(other, None)
        data[other] = "" if other == "url" else []
        return data


class AlertRuleEditForm(AlertRuleForm):
    new_secret = forms.BooleanField(
        label="Make a new secret",
        required=False,
        help_text="For a webhook. The present secret is good no more from then on.",
    )

    @classmethod
    def of(cls, rule: AlertRule, data: Any) -> AlertRuleEditForm:
        """The form as the rule stands; the secret is not in it."""
        names = ("name", "kinds", "lowest_level", "timing", "digest_time", "channel", "url")
        present = {name: getattr(rule, name) for name in names}
        present["recipients"] = ", ".join(rule.recipients)
        return cls(rule.account.time_zone, data, initial=present)


def _check_address(address: str) -> None:
    try:
        validate_email(address)
    except ValidationError as error:
        raise ValidationError(f"“{address[:100]}” is no e-mail address.") from error
    if len(address) > 254 or not address.isascii():
        raise ValidationError(f"“{address[:100]}” cannot be written to by mail.")
