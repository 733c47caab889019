"""The form of a new API key."""

from __future__ import annotations

from typing import Any

from django import forms

from portal.forms import PlainCharField, StandbyForm
from reporting.models import ApiKey


class ApiKeyForm(StandbyForm):
    """What it is for, what it may do, and how it signs in. ``roles`` are the person's to give."""

    name = PlainCharField(
        max_length=100,
        error_messages={"required": "Say what the key is for."},
        help_text="What it is for, such as “Nightly export”. Audit entries carry it.",
        widget=forms.TextInput(attrs={"autocomplete": "off", "autofocus": True}),
    )
    role = forms.ChoiceField()
    manner = forms.ChoiceField(
        label="Signs in with",
        choices=ApiKey.Manner.choices,
        initial=ApiKey.Manner.SIGNED,
        help_text="Signed requests never carry the secret; a bearer token is simpler to use.",
        widget=forms.RadioSelect(attrs={"class": ""}),
    )

    def __init__(self, roles: list[str], *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        labels = dict(ApiKey.ROLES)
        field = self.fields["role"]
        if isinstance(field, forms.ChoiceField):
            # The least first: a key should have no more than it needs.
            field.choices = [(role, labels[role]) for role in sorted(roles, key=_rank)]


def _rank(role: str) -> int:
    """Readers first, administrators last."""
    order = [role for role, _ in ApiKey.ROLES]
    return -order.index(role) if role in order[:-1] else 1
