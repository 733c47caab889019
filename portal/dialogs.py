"""Dialogs have addresses: with htmx the dialog alone, else the page with the dialog open on it.

A view answers GET and a refused POST with ``render_dialog``, and a POST that went
well with ``done``. The dialog's template extends ``portal/_dialog.html``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django_htmx.http import HttpResponseClientRedirect

from portal.access import Request, wants_fragment

ALONE = "portal/dialog_page.html"


def render_dialog(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    *,
    page: str = ALONE,
    status: int = 200,
) -> HttpResponse:
    """Answer with the dialog alone to htmx, else with the template ``page`` and the dialog on it.

    ``context`` serves both and holds ``back``, the address of the page the dialog belongs
    to. Without a ``page`` the dialog is a page of its own. Refused input is status 422.
    """
    if wants_fragment(request):
        response = render(request, template, dict(context), status=status)
    else:
        under = {**context, "dialog_template": template, "is_page": True, "is_alone": page == ALONE}
        response = render(request, page, under, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def done(
    request: Request, message: str, location: str, *, level: int = messages.SUCCESS
) -> HttpResponse:
    """Leave for ``location``, where ``message`` is shown as a toast.

    Say *requested*, not done, where a task follows. A link in the message: ``format_html``.
    """
    messages.add_message(request, level, message)
    return HttpResponseClientRedirect(location) if wants_fragment(request) else redirect(location)
