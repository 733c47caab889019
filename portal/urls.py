"""Every address of the product, by app."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

handler500 = "portal.error_pages.server_error"

urlpatterns = [
    path("", include("portal.views.urls")),
    path("", include("backups.urls")),
    path("", include("reporting.urls")),
    path("sign-in/", include("allauth.account.urls")),
    path("admin/", admin.site.urls),
]
