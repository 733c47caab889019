"""Addresses of the backups app."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "backups"
urlpatterns: list[URLPattern] = []
