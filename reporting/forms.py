"""What the lists are narrowed by. Nonsense in an address narrows nothing, and the page says so."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q

from portal.forms import StandbyForm
from portal.models import Account, Notification, RoleGrant, Task, User
from portal.uuids import as_uuid
from reporting.words import ACTION_GROUPS, kind_choices, kinds_named_as

_SEARCH_LENGTH = 200


class FilterForm(StandbyForm):
    """A form that lives in the address."""

    q = forms.CharField(label="Search", required=False)

    def clean_q(self) -> str:
        """Cut what is longer than anything it could be found in."""
        return str(self.cleaned_data["q"])[:_SEARCH_LENGTH]

    def chosen(self, name: str) -> Any:
        """Return what was asked for; "" for nothing, and for what is not understood."""
        self.is_valid()
        return self.cleaned_data.get(name) or ""

    @property
    def choice(self) -> dict[str, Any]:
        """Everything asked for, by field, for the templates."""
        return {name: self.chosen(name) for name in self.fields}

    @property
    def is_narrowed(self) -> bool:
        return any(self.choice.values())

    @property
    def problems(self) -> list[str]:
        """What was not understood, as sentences."""
        found = [(self[name].label, errors) for name, errors in self.errors.items()]
        return [f"{label}: {error}" for label, errors in found for error in errors]


class TaskFilterForm(FilterForm):
    STATES = (("active", "In progress"), ("failed", "Failed"), ("done", "Done"))

    show = forms.ChoiceField(label="Status", choices=STATES, required=False)
    kind = forms.ChoiceField(label="Task type", choices=kind_choices, required=False)
    resource = forms.UUIDField(label="Resource", required=False)

    def __init__(self, data: Any, *, account: Account) -> None:
        super().__init__(data)
        self._account = account

    def condition(self) -> Q:
        """What a task must be to be listed: what was asked for, or what has this whole id."""
        text = self.chosen("q")
        pk = as_uuid(text)
        resource = self.chosen("resource")
        wanted = Q(pk=pk) if pk else Q(parent=None)
        if resource:
            # Those started with many others too: to it they are its own.
            wanted = Q(resource=resource) & (wanted if pk else Q())
        match self.chosen("show"):
            case "active":
                wanted &= Q(state__in=Task.ACTIVE)
            case "failed":
                wanted &= has_failed(self._account)
            case "done":
                wanted &= Q(state=Task.State.DONE)
        if kind := self.chosen("kind"):
            wanted &= Q(kind__in=kinds_named_as(kind))
        if text and not pk:
            wanted &= _task_has(text)
        return wanted


def _task_has(text: str) -> Q:
    """Title, subject or resource hold the text."""
    found = Q(title__icontains=text) | Q(subject__icontains=text)
    return found | Q(resource__name__icontains=text)


def has_failed(account: Account) -> Q:
    """That a task of the account has failed, or is done and some that it started have failed."""
    failed = Task.objects.filter(account=account, state=Task.State.FAILED)
    parents = failed.exclude(parent=None).order_by().values("parent")
    return Q(state=Task.State.FAILED) | Q(state=Task.State.DONE, pk__in=parents)


class _DayField(forms.DateField):
    """A day no database or time zone stumbles over."""

    def __init__(self, label: str) -> None:
        bounds = (MinValueValidator(date(1990, 1, 1)), MaxValueValidator(date(2190, 1, 1)))
        words = {"invalid": "Write the day as 2025-11-20."}
        super().__init__(label=label, required=False, validators=bounds, error_messages=words)


class DaysFilterForm(FilterForm):
    """What is listed by time, from a day to a day of the account's zone."""

    since = _DayField("From")
    until = _DayField("To")

    def __init__(self, data: Any, *, account: Account) -> None:
        super().__init__(data)
        self._account = account

    def clean(self) -> dict[str, Any]:
        """Refuse days in the wrong order."""
        data = super().clean() or self.cleaned_data
        since, until = data.get("since"), data.get("until")
        if since and until and since > until:
            self.add_error("until", "This day is before the first one.")
        return data

    def within_days(self, column: str) -> Q:
        """That a row's time lies within the days asked for."""
        wanted = Q()
        if since := self.chosen("since"):
            wanted &= Q(**{f"{column}__gte": self._midnight(since)})
        if until := self.chosen("until"):
            wanted &= Q(**{f"{column}__lt": self._midnight(until + timedelta(days=1))})
        return wanted

    def _midnight(self, day: date) -> datetime:
        """When a day begins in the account's time zone."""
        return datetime.combine(day, time.min, tzinfo=self._account.zone)


class NotificationFilterForm(DaysFilterForm):
    show = forms.ChoiceField(choices=[("all", "All")], required=False)
    level = forms.ChoiceField(label="Level", choices=Notification.Level.choices, required=False)
    kind = forms.ChoiceField(label="About", choices=Notification.Kind.choices, required=False)

    def condition(self) -> Q:
        """What a notification must be to be listed, dismissals aside."""
        wanted = self.within_days("created_at")
        if kind := self.chosen("kind"):
            wanted &= Q(kind=kind)
        if level := self.chosen("level"):
            wanted &= Q(level=level)
        if text := self.chosen("q"):
            wanted &= Q(title__icontains=text) | Q(body__icontains=text)
        return wanted


class AuditFilterForm(DaysFilterForm):
    SYSTEM = "system"
    ABOVE, SIGN_INS = "above", "sign-ins"
    SCOPES = ((ABOVE, "Organization and customer"), (SIGN_INS, "Sign-ins"))

    scope = forms.ChoiceField(choices=SCOPES, required=False)
    group = forms.ChoiceField(label="Action", choices=list(ACTION_GROUPS.items()), required=False)
    person = forms.CharField(label="Person", required=False)

    def people(self) -> list[User]:
        """Who has a right on the account, by name."""
        organization = self._account.organization
        grants = RoleGrant.objects.filter(
            Q(account=self._account)
            | Q(organization=organization)
            | Q(customer=organization.customer_id)
        )
        people = User.objects.filter(pk__in=grants.values("user"))
        return list(people.order_by("full_name", "email")[:200])

    def condition(self) -> Q:
        """What an entry must be to be listed."""
        wanted = self.within_days("at")
        if group := self.chosen("group"):
            wanted &= Q(action__startswith=f"{group}.")
        if (person := self.chosen("person")) == self.SYSTEM:
            wanted &= Q(actor=None)
        elif key := as_uuid(person):
            wanted &= Q(actor=key)
        if text := self.chosen("q"):
            wanted &= _entry_has(text)
        return wanted


def _entry_has(text: str) -> Q:
    """A name, the e-mail address or the target hold the text, or it is a whole source or id."""
    found = Q(actor_label__icontains=text) | Q(target_label__icontains=text)
    for name in ("first_name", "last_name", "email"):
        found |= Q(**{f"{name}__icontains": text})
    return found | Q(request_id=text) | Q(source=text) | Q(api_client=text)
