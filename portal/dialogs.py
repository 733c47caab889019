"""Dialogs have addresses: with htmx the dialog alone, else the page with the dialog open on it.

A view answers GET and a refused POST with ``render_dialog`` and a POST that went
well with ``dialog_done``. The dialog's template extends ``portal/_dialog.html``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils.cache import patch_vary_headers
from django.utils.safestring import mark_safe
from django_htmx.http import HttpResponseClientRedirect, trigger_client_event

from portal.access import Request, wants_fragment

# Refused input: the dialog comes again with its errors, and htmx swaps it in.
REFUSED = 422

Part = tuple[str, Mapping[str, Any]]


def render_dialog(
    request: Request,
    template: str,
    context: Mapping[str, Any],
    *,
    page: str = "portal/dialog_page.html",
    status: int = 200,
) -> HttpResponse:
    """Answer with the dialog alone to htmx, else with the template ``page`` under it.

    ``context`` serves both; it holds ``back_url``, the address of the page the dialog
    belongs to, and for the default ``page`` a ``heading``.
    """
    if wants_fragment(request):
        response = render(request, template, dict(context), status=status)
    else:
        under = {**context, "dialog_template": template, "is_page": True}
        response = render(request, page, under, status=status)
    patch_vary_headers(response, ["HX-Request"])
    return response


def dialog_done(
    request: Request,
    message: str,
    *,
    location: str,
    parts: Sequence[Part] = (),
    level: int = messages.SUCCESS,
    link: tuple[str, str] | None = None,
) -> HttpResponse:
    """Close the dialog and say ``message``: *requested*, not done, where a task follows.

    With ``parts`` (template and context of fragments whose root is marked
    ``{% if oob %}data-hx-swap-oob="true"{% endif %}``) htmx changes only those and adds a
    toast, to which ``link`` adds an address and its words. Without them, without htmx, or
    when the dialog is a page of its own, the browser goes to ``location``.
    """
    if not wants_fragment(request):
        messages.add_message(request, level, message)
        return redirect(location)
    if not parts or urlsplit(request.htmx.current_url or "").path == request.path:
        messages.add_message(request, level, message)
        return HttpResponseClientRedirect(location)
    rendered = "".join(
        render_to_string(template, {**context, "oob": True}, request) for template, context in parts
    )
    href, words = link or ("", "")
    answer = {
        "parts": mark_safe(rendered),  # noqa: S308  # rendered templates
        "message": message,
        "tag": messages.constants.DEFAULT_TAGS[level],
        "href": href,
        "link": words,
    }
    response = render(request, "portal/_dialog_done.html", answer)
    return trigger_client_event(response, "tasks-changed")
