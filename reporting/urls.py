"""Addresses of the reporting app."""

from __future__ import annotations

from django.urls import URLPattern

app_name = "reporting"
urlpatterns: list[URLPattern] = []
