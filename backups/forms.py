"""Forms of the backups app: they check input, and nothing else."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django import forms
from django.core.exceptions import NON_FIELD_ERRORS

from backups import policies
from backups.models import MOST_KEPT, Settings
from portal.forms import PlainCharField, StandbyForm, ZoneSelect, plain_text, zones_with


class TextField(forms.CharField):
    """Several lines of plain text; a line end counts as one character, as in the browser."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> Any:
        text = super().to_python(value)
        return text.replace("\r\n", "\n") if isinstance(text, str) else text

    def clean(self, value: Any) -> Any:
        text = super().clean(value)
        plain_text(text.replace("\n", " ").replace("\t", " "))
        return text


class BackupCreateForm(StandbyForm):
    """What a person says of a new backup (R020). Names need not be unique: ids tell apart."""

    name = PlainCharField(
        max_length=100,
        error_messages={"required": "Give the backup a name."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    description = TextField(
        max_length=500, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )


class KeepField(forms.IntegerField):
    """How many backups are kept: a whole number from 1 to 100 (R040)."""

    def __init__(self, **kwargs: Any) -> None:
        said = f"Enter a whole number from 1 to {MOST_KEPT}."
        errors = dict.fromkeys(("required", "invalid", "min_value", "max_value"), said)
        super().__init__(min_value=1, max_value=MOST_KEPT, error_messages=errors, **kwargs)


class BackupPolicyForm(StandbyForm):
    """Settings of a system or a kind. Without a schedule, what belongs to it stays as it was."""

    SCHEDULE = ("backup_time", "time_zone", "keep_scheduled")

    is_scheduled = forms.BooleanField(
        label="Schedule daily backups",
        required=False,
        help_text="Every day of the week, including weekends.",
        widget=forms.CheckboxInput(
            attrs={"class": "switch", "role": "switch", "data-reveals": True, "autofocus": True}
        ),
    )
    backup_time = forms.TimeField(
        label="Backup time",
        error_messages={
            "required": "Enter a time of day.",
            "invalid": "Enter a time of day from 00:00 to 23:59.",
        },
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time", "aria-label": "Time of day"}),
    )
    time_zone = forms.ChoiceField(
        error_messages=dict.fromkeys(
            ("required", "invalid_choice"), "Choose a time zone of the list."
        ),
        widget=ZoneSelect(attrs={"aria-label": "Time zone"}),
    )
    keep_scheduled = KeepField(
        label="Number of scheduled backups retained",
        help_text="The oldest is deleted when a new one completes.",
    )
    keep_manual = KeepField(
        label="Number of manual backups retained",
        help_text="At this number you must delete one before you can create another.",
    )

    keep_after_session = KeepField(
        label="Number of post-session backups retained",
        help_text="The oldest is deleted when a new one completes.",
    )
    # Which settings the person saw: another tab or person may have saved meanwhile.
    shown = forms.CharField(required=False, widget=forms.HiddenInput)

    def __init__(self, policy: Settings, *args: Any, **kwargs: Any) -> None:
        now = policies.present(policy)
        present = asdict(now)
        super().__init__(*args, initial=present | {"shown": policies.digest(now)}, **kwargs)
        zone = self.fields["time_zone"]
        if isinstance(zone, forms.ChoiceField):
            zone.choices = zones_with(policy.time_zone)
        if self.is_bound and not self.data.get("is_scheduled"):
            # What is hidden cannot be mended by the person who sees the message.
            self.data = {
                **dict(self.data.items()),
                **{name: present[name] for name in self.SCHEDULE},
            }

    @property
    def is_complete(self) -> bool:
        """Whether it asks for settings that could be: no field has an error."""
        return not set(self.errors) - {NON_FIELD_ERRORS}

    def wanted(self) -> policies.Wanted:
        """The settings a complete form asks for."""
        given = {name: value for name, value in self.cleaned_data.items() if name != "shown"}
        return policies.Wanted(**given)

    def tell(self, refusal: policies.ChangedMeanwhile) -> None:
        """Show who changed the settings meanwhile; pressed again, the form saves over that."""
        self.refuse(refusal)
        self.data = {**dict(self.data.items()), "shown": refusal.shown}
