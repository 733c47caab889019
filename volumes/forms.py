"""Forms of the Volumes page: they check input, and nothing else."""

from __future__ import annotations

from typing import Any

from django import forms

from portal.forms import PlainCharField, StandbyForm
from portal.models import Resource


class VolumeBackupForm(StandbyForm):
    """The name of a backup of one volume, or of each of many (R064)."""

    name = PlainCharField(
        max_length=100,
        error_messages={"required": "Give the backup a name."},
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )


class BackupAllForm(VolumeBackupForm):
    """Which kinds; desktops are what the documentation promises, the others can be added (R068)."""

    kinds = forms.MultipleChoiceField(
        label="Back up",
        error_messages={"required": "Choose at least one type."},
        widget=forms.CheckboxSelectMultiple,
    )
    field_order = ("kinds", "name")

    def __init__(self, counts: list[tuple[str, str]], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        kinds = self.fields["kinds"]
        if isinstance(kinds, forms.MultipleChoiceField):
            kinds.choices = [
                (kind, f"{number} {words}")
                for kind, (number, words) in zip(Resource.VOLUME_KINDS, counts, strict=True)
            ]
