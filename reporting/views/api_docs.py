"""The API's reference, to read and to try."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from portal.access import Request, signed_in


@signed_in
@require_GET
def api_docs(request: Request) -> HttpResponse:
    return render(request, "reporting/api_docs.html")
