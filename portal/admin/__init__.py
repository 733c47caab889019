"""Django admin, for staff: customers and what is below them. Every change is in the audit trail.

Sign-in is the portal's own, with its limits. Secrets go in and never come back out.
"""

from __future__ import annotations

from allauth.account.admin import EmailAddress  # importing registers it
from allauth.account.decorators import secure_admin_login
from allauth.account.views import logout
from django.contrib import admin
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import Group
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django_q.admin import Failure, OrmQ, Schedule, Success  # importing registers them

from portal.admin import clouds, people, records, tenancy

__all__ = ["clouds", "people", "records", "tenancy"]

admin.site.site_header = "Standby administration"
admin.site.site_title = "Standby"
admin.site.index_title = "Customers and people"


@login_not_required
def _signed_in(request: HttpRequest, extra_context: object = None) -> HttpResponse:
    return redirect("admin:index")


def _sign_out(request: HttpRequest, extra_context: object = None) -> HttpResponseBase:
    answer: HttpResponseBase = logout(request)
    return answer


def _own_password(request: HttpRequest, extra_context: object = None) -> HttpResponse:
    return redirect("account_change_password")


# allauth's throttled sign-in in place of the admin's own, which is never asked: whoever is
# signed in as staff could try other people's passwords there without limit.
admin.site.login = secure_admin_login(_signed_in)  # type: ignore[method-assign]
# The portal's own too: a sign-out is in the audit trail, and tries of a password are limited.
admin.site.logout = _sign_out  # type: ignore[method-assign,assignment]
admin.site.password_change = _own_password  # type: ignore[method-assign,assignment]
# Rights come from role grants, addresses are kept on the person, and whoever could schedule
# a call by name could run anything in a worker.
admin.site.unregister([Group, EmailAddress, Failure, OrmQ, Schedule, Success])
