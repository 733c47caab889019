"""Forms of the backups app: they check input, and nothing else."""

from __future__ import annotations

from typing import Any

from django import forms

from portal.forms import PlainCharField, StandbyForm, plain_text


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
