"""The Session Trail, beside the audit trail, and the logs of single sessions (R153, R154)."""

from __future__ import annotations

from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET
from django.views.decorators.vary import vary_on_headers

from portal.access import Permission, Request, account_view, wants_fragment
from portal.engine import clock
from portal.paging import Order, page_of, total_of
from reporting.exports import Wanted, rows_wanted
from reporting.forms import SessionFilterForm
from reporting.models import DataType
from reporting.records import DATA_SETS, DataSet
from reporting.session_logs import log_of, logs_of


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def session_list(request: Request) -> HttpResponse:
    form = SessionFilterForm(request.GET, account=request.account)
    wanted = wanted_sessions(DATA_SETS[DataType.SESSION_TRAIL], form)
    sessions = rows_wanted(request.account, wanted, clock.now())
    order = Order.parse(request.GET.get("sort", ""), ("started_at",), "-started_at")
    page = page_of(sessions, order, request.GET)
    context = {
        "form": form,
        "page": page,
        "total": total_of(page, sessions),
        "section": "reporting:audit_list",
    }
    part = wants_fragment(request)
    template = "reporting/_sessions.html" if part else "reporting/session_list.html"
    return render(request, template, context)


@account_view(Permission.VIEW)
@require_GET
@vary_on_headers("HX-Request")
def session_log_list(request: Request) -> HttpResponse:
    form = SessionFilterForm(request.GET, account=request.account)
    wanted = wanted_sessions(DATA_SETS[DataType.SESSION_LOGS], form)
    sessions = rows_wanted(request.account, wanted, clock.now())
    order = Order.parse(request.GET.get("sort", ""), ("started_at",), "-started_at")
    page = page_of(sessions, order, request.GET)
    context = {
        "form": form,
        "page": page,
        "logs": logs_of(page.rows),
        "total": total_of(page, sessions),
        "section": "reporting:report_list",
    }
    part = wants_fragment(request)
    template = "reporting/_session_logs.html" if part else "reporting/session_log_list.html"
    return render(request, template, context)


@account_view(Permission.VIEW)
@require_GET
def session_log_detail(request: Request, session: UUID) -> HttpResponse:
    wanted = Wanted(DATA_SETS[DataType.SESSION_LOGS])
    found = get_object_or_404(rows_wanted(request.account, wanted, clock.now()), pk=session)
    context = {"session": found, "log": log_of(found), "section": "reporting:report_list"}
    return render(request, "reporting/session_log_detail.html", context)


def wanted_sessions(data_set: DataSet, form: SessionFilterForm) -> Wanted:
    """What the filter asks for: the list on the page, and the file."""
    return Wanted(
        data_set,
        first=form.chosen("since") or None,
        last=form.chosen("until") or None,
        narrowed=form.condition(),
        filter=form.asked,
    )
