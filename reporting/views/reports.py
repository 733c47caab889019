"""The Reports page: what data there is, from when on, and taking it along (R142 to R157)."""

from __future__ import annotations

from django.http import Http404, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from portal.access import Permission, Request, account_view, wants_fragment
from portal.audit import Actor
from portal.engine import clock
from portal.refusals import Refused
from reporting import exports, report
from reporting.availability import lines_of
from reporting.exports import Wanted
from reporting.forms import AuditFilterForm, DaysFilterForm, ReportForm, SessionFilterForm
from reporting.models import DataType
from reporting.records import DATA_SETS, DataSet
from reporting.spans import quick_ranges, today_in
from reporting.views.analytics import figures_form
from reporting.views.audit import wanted_audit
from reporting.views.sessions import wanted_sessions

BUSY_SECONDS = 60


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def report_list(request: Request) -> HttpResponse:
    account, now = request.account, clock.now()
    today = today_in(account.zone, now)
    form = ReportForm(request.GET, account=account, today=today)
    context = {
        "form": form,
        "span": form.span,
        "today": today,
        "quick_ranges": list(quick_ranges(today, account.zone)),
        "lines": lines_of(account, form.span, form.chosen("frequency"), now),
    }
    part = wants_fragment(request)
    template = "reporting/_reports.html" if part else "reporting/report_list.html"
    return render(request, template, context)


@account_view(Permission.VIEW)
@require_GET
def report_export(request: Request, data_type: str) -> HttpResponseBase:
    data_set, now = exports.data_set_of(data_type), clock.now()
    if data_set is None:
        raise Http404
    form, wanted = _wanted(request, data_set)
    if form.problems:
        # A file of other days than were asked for would be worse than none.
        back = reverse("reporting:report_list", args=[request.account.pk])
        return redirect(f"{back}?{request.GET.urlencode()}")
    try:
        stream = exports.export(Actor.of(request), request.account, wanted, now)
    except Refused as refusal:
        context = {"refusal": refusal, "section": "reporting:report_list"}
        answer = render(request, "reporting/report_export_busy.html", context, status=503)
        answer["Retry-After"] = str(BUSY_SECONDS)
        return answer
    name = exports.file_name(request.account, wanted, today_in(request.account.zone, now), "csv")
    response = StreamingHttpResponse(stream, content_type="text/csv; charset=utf-8")
    return _attached(response, name)


@account_view(Permission.VIEW)
@require_GET
def report_print(request: Request) -> HttpResponseBase:
    account, now = request.account, clock.now()
    form = ReportForm(request.GET, account=account, today=today_in(account.zone, now))
    if form.problems:
        back = reverse("reporting:report_list", args=[account.pk])
        return redirect(f"{back}?{request.GET.urlencode()}")
    wanted = _of_days(DATA_SETS[DataType.SESSION_REPORTS], form)
    text = report.write_report(Actor.of(request), account, wanted, now)
    name = exports.file_name(account, wanted, today_in(account.zone, now), "html")
    return _attached(HttpResponse(text, content_type="text/html; charset=utf-8"), name)


def _attached(response: HttpResponseBase, name: str) -> HttpResponseBase:
    """To be saved under this name, by whatever browser; and kept by no cache."""
    response["Content-Disposition"] = content_disposition_header(True, name) or "attachment"
    response["Cache-Control"] = "private, no-store"
    return response


def _wanted(request: Request, data_set: DataSet) -> tuple[DaysFilterForm, Wanted]:
    """Read the filter of the page that shows this type of data: the same gives the same rows."""
    account, today = request.account, today_in(request.account.zone, clock.now())
    match data_set.type:
        case DataType.AUDIT_TRAIL:
            audit = AuditFilterForm(request.GET, account=account)
            return audit, wanted_audit(request, audit)
        case DataType.SESSION_TRAIL:
            trail = SessionFilterForm(request.GET, account=account)
            return trail, wanted_sessions(data_set, trail)
        case DataType.SESSION_REPORTS | DataType.USER_ACTIVITY:
            form = ReportForm(request.GET, account=account, today=today)
            return form, _of_days(data_set, form)
        case _:
            figures = figures_form(request, data_set, today)
            wanted = Wanted(
                data_set, figures.span.first, figures.span.last, figures.span,
                figures.shown_frequency, figures.condition(), filter=figures.asked,
            )  # fmt: skip
            return figures, wanted


def _of_days(data_set: DataSet, form: ReportForm) -> Wanted:
    return Wanted(data_set, form.span.first, form.span.last, form.span)
