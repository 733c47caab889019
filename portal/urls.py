"""Every address of the product, by app."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path, re_path

from portal.sign_in import not_offered

handler400 = "portal.error_pages.bad_request"
handler404 = "portal.error_pages.not_found"
handler500 = "portal.error_pages.server_error"

urlpatterns = [
    path("", include("portal.views.urls")),
    path("", include("backups.urls")),
    path("", include("volumes.urls")),
    path("", include("disaster_recovery.urls")),
    path("", include("reporting.urls")),
    # An address is who somebody is to those who grant roles by it; nobody changes their own.
    re_path(r"^sign-in/(?:email|confirm-email|login/code)/", not_offered),
    path("sign-in/", include("allauth.account.urls")),
    # Its overview is ours, at the same address; browsers are not trusted to skip a factor.
    re_path(r"^security/trust/", not_offered),
    path("security/", include("allauth.mfa.urls")),
    path("admin/", admin.site.urls),
]
