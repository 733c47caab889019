"""How forms look: one renderer for all. And what fields of several forms share."""

from __future__ import annotations

import unicodedata
import zoneinfo
from functools import cache
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.renderers import TemplatesSetting
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString


class StandbyRenderer(TemplatesSetting):
    """Draws every form with the design system's parts; the Django admin brings its own."""

    form_template_name = "portal/form.html"
    field_template_name = "portal/field.html"


class StandbyForm(forms.Form):
    """A form whose widgets carry the design system's classes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if not isinstance(field.widget, forms.CheckboxInput | forms.RadioSelect):
                field.widget.attrs.setdefault("class", "input")

    def refuse(self, refusal: Exception) -> None:
        """Show a service's refusal beside its field, or above the form."""
        field = getattr(refusal, "field", "") or None
        self.add_error(field if field in self.fields else None, str(refusal))


def plain_text(value: str) -> str:
    """Refuse control characters; they hide what a name says. Tabs and line breaks too."""
    if any(unicodedata.category(char) in {"Cc", "Cs"} for char in value):
        raise ValidationError("Use letters, digits and signs; control characters are not allowed.")
    return value


class PlainCharField(forms.CharField):
    """One line of trimmed text without control characters."""

    def clean(self, value: Any) -> str:
        return plain_text(super().clean(value))


@cache
def time_zones() -> list[tuple[str, str]]:
    """Every zone a person could mean, UTC first."""
    names = sorted(name for name in zoneinfo.available_timezones() if "/" in name)
    named = [name for name in names if not name.startswith(("Etc/", "SystemV/"))]
    return [(name, name) for name in ("UTC", *named)]


def zones_with(present: str) -> list[tuple[str, str]]:
    """Those zones, and the one that is set, whatever it is."""
    zones = time_zones()
    return zones if (present, present) in zones else [(present, present), *zones]


class ZoneSelect(forms.Select):
    """A select of some five hundred zones, drawn in one go: a template for each takes 30 ms."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        shown = self.build_attrs(self.attrs, {**(attrs or {}), "name": name})
        rows = ((zone, " selected" if zone == value else "") for zone, _ in self.choices)
        options = format_html_join("", '<option value="{0}"{1}>{0}</option>', rows)
        return format_html("<select{}>{}</select>", flatatt(shown), options)
