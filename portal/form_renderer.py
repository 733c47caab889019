"""How forms look: label, Optional mark, hint, control, error beside the control."""

from __future__ import annotations

from django.forms.renderers import TemplatesSetting


class StandbyRenderer(TemplatesSetting):
    """Renders every form of the portal; the Django admin brings its own templates."""

    form_template_name = "portal/form.html"
    field_template_name = "portal/field.html"
