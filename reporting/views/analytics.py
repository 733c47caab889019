"""Charts of Sessions, Usage, Disk Usage and Elasticity (R146, R148, R150, R151)."""

from __future__ import annotations

from datetime import date

from django.http import Http404, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from portal.access import Permission, Request, account_view, wants_fragment
from portal.engine import clock
from reporting import analytics
from reporting.availability import CHARTED
from reporting.forms import FiguresForm
from reporting.models import DataAvailability, DataType, Frequency
from reporting.records import DATA_SETS, DataSet, rows_of
from reporting.spans import quick_ranges, today_in


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def analytics_detail(request: Request, data_type: str) -> HttpResponse:
    if data_type not in CHARTED:
        raise Http404
    data_set, now, zone = DATA_SETS[DataType(data_type)], clock.now(), request.account.zone
    form = figures_form(request, data_set, today_in(zone, now))
    availability = DataAvailability.objects.get(pk=data_type)
    span, frequency = form.span, form.shown_frequency
    kept = frequency if data_set.frequencies else ""
    rows = rows_of(
        data_set, request.account, availability, span, now,
        frequency=kept, narrowed=form.condition(),
    )  # fmt: skip
    context = {
        "form": form,
        "analysis": analytics.analyse(data_set.type, rows, span, frequency, now),
        "availability": availability,
        "charted": CHARTED,
        "quick_ranges": list(quick_ranges(today_in(zone, now), zone)),
        "span": span,
        "section": "reporting:report_list",
    }
    part = wants_fragment(request)
    template = "reporting/_analytics.html" if part else "reporting/analytics_detail.html"
    return render(request, template, context)


def figures_form(request: Request, data_set: DataSet, today: date) -> FiguresForm:
    """The filter of a type of figures: what the page shows, and what is in its file."""
    availability = DataAvailability.objects.get(pk=data_set.type)
    every = data_set.rows(request.account)
    if data_set.frequencies:
        every = every.filter(frequency=Frequency.MONTH)
    return FiguresForm(
        request.GET,
        account=request.account,
        today=today,
        months=availability.months,
        choices=analytics.choices_of(data_set.type, every),
        frequencies=data_set.frequencies or tuple(Frequency),
    )
