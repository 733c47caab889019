"""What the lists are narrowed by. Nonsense in an address narrows nothing, and the page says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from django import forms
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db.models import Q
from django.forms import BoundField

from portal.forms import StandbyForm
from portal.models import Account, Notification, RoleGrant, Task, User
from portal.uuids import as_uuid
from reporting.models import Frequency, Session
from reporting.records import Span, start_of
from reporting.spans import months_back
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
    def asked(self) -> dict[str, str]:
        """What was asked for besides days, by field, for the audit."""
        days = {"since", "until"}
        return {
            name: str(value) for name, value in self.choice.items() if value and name not in days
        }

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
            wanted &= Q(**{f"{column}__gte": start_of(since, self._account.zone)})
        if until := self.chosen("until"):
            after = start_of(until + timedelta(days=1), self._account.zone)
            wanted &= Q(**{f"{column}__lt": after})
        return wanted


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


class SessionFilterForm(DaysFilterForm):
    """The Session Trail's filter."""

    state = forms.ChoiceField(label="Status", choices=Session.State.choices, required=False)

    def condition(self) -> Q:
        """What a session must be to be listed."""
        wanted = self.within_days("started_at")
        if state := self.chosen("state"):
            wanted &= Q(state=state)
        if text := self.chosen("q"):
            wanted &= _session_has(text)
        return wanted


def _session_has(text: str) -> Q:
    """User or machine hold the text, or it is the broker's whole id of the session."""
    names = ("user_name", "email", "first_name", "last_name", "machine_name")
    found = Q(session_id=text) | Q(machine_id__iexact=text)
    for name in names:
        found |= Q(**{f"{name}__icontains": text})
    return found


class ReportForm(DaysFilterForm):
    """The Reports page's days: the last thirty unless told otherwise; and a frequency."""

    frequency = forms.ChoiceField(
        label="Frequency of figures", choices=Frequency.choices, required=False
    )

    def __init__(self, data: Any, *, account: Account, today: date) -> None:
        super().__init__(data, account=account)
        self.today = today

    @property
    def span(self) -> Span:
        """The days asked for. Of an open range the other end is today, or what is usual."""
        last = self.chosen("until") or max(self.today, self.chosen("since") or self.today)
        first = self.chosen("since") or min(last, self.usual_first(last))
        return Span(first, last, self._account.zone)

    def usual_first(self, last: date) -> date:
        """The first day unless told otherwise."""
        return last - timedelta(days=29)


_NARROWING = ("system", "pool", "volume_type")


class FiguresForm(ReportForm):
    """What the charts of one type of figures show; at first, its whole period (Q1).

    ``choices`` are values to narrow by, by column of the figures.
    """

    system = forms.ChoiceField(label="System", required=False)
    pool = forms.ChoiceField(label="Pool", required=False)
    volume_type = forms.ChoiceField(label="Volume type", required=False)

    def __init__(
        self,
        data: Any,
        *,
        account: Account,
        today: date,
        months: int | None,
        choices: Mapping[str, Sequence[tuple[str, str]]],
        frequencies: Sequence[Frequency],
    ) -> None:
        super().__init__(data, account=account, today=today)
        self._months = months or 12
        offered = {**choices, "frequency": [(each.value, each.label) for each in frequencies]}
        for name in ("frequency", *_NARROWING):
            if name in offered:
                self.fields[name] = forms.ChoiceField(
                    label=self.fields[name].label, choices=offered[name], required=False
                )
            else:
                del self.fields[name]
        self._offered = [each.value for each in frequencies]

    def usual_first(self, last: date) -> date:
        """The first day of the period that is promised."""
        return months_back(last, self._months)

    @property
    def shown_frequency(self) -> str:
        """The one asked for, or the one that makes a picture of some dozen bars."""
        days = self.span.days
        usual = Frequency.HOUR if days <= 2 else Frequency.DAY if days <= 100 else Frequency.MONTH
        if usual not in self._offered:
            usual = Frequency.DAY
        return str(self.chosen("frequency") or usual)

    @property
    def narrowing(self) -> list[BoundField]:
        """The fields that narrow by what the figures are about."""
        return [self[name] for name in _NARROWING if name in self.fields]

    def condition(self) -> Q:
        """What a row of figures must be to be counted."""
        names = [name for name in _NARROWING if name in self.fields and self.chosen(name)]
        return Q(**{name: self.chosen(name) for name in names})
