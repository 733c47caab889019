"""Forms of sign-in: what a group of the identity provider stands for."""

from __future__ import annotations

from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from portal.choices import LongSelect
from portal.forms import PlainCharField, StandbyForm
from portal.models import Account, Customer, GroupMapping, Organization, Role

Scope = Customer | Organization | Account


class GroupMappingForm(StandbyForm):
    """A group, a role, and what the role is on: the customer, or anything below it."""

    group = PlainCharField(
        max_length=255,
        help_text="As the identity provider writes it: a name, or the id of a group.",
    )
    claim = PlainCharField(
        max_length=100, initial="groups", help_text="Where the provider lists groups."
    )
    role = forms.ChoiceField(choices=Role.choices)
    scope = forms.ChoiceField(
        label="On",
        widget=LongSelect,
        error_messages={"invalid_choice": "Choose one of the list."},
    )

    def __init__(self, customer: Customer, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._scopes = {f"{each._meta.model_name}:{each.pk}": each for each in _scopes(customer)}
        field = self.fields["scope"]
        if isinstance(field, forms.ChoiceField):
            field.choices = [
                (value, f"{each} ({each._meta.model_name})") for value, each in self._scopes.items()
            ]

    def clean_scope(self) -> Scope:
        return self._scopes[self.cleaned_data["scope"]]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or self.cleaned_data
        role, scope = cleaned.get("role"), cleaned.get("scope")
        if role and scope:
            try:
                GroupMapping(role=role, **{str(scope._meta.model_name): scope}).clean()
            except ValidationError as error:
                self.add_error("scope", error)
            cleaned["role"] = Role(role)
        return cleaned


def _scopes(customer: Customer) -> list[Scope]:
    """The customer, its organizations, and their accounts that go on."""
    found: list[Scope] = [customer]
    found += customer.organizations.order_by("name")
    accounts = Account.objects.living().filter(organization__customer=customer)
    return [*found, *accounts.order_by("organization__name", "name")]
