"""A choice among very many things."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

# Nobody finds one of more in a select; and the ids of a thousand take a page 20 kB that no
# compression takes away.
LONG = 150
_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")


class LongSelect(forms.Select):
    """A select; of many choices an input, for which the browser proposes names as one types.

    What comes back is then a name, which stands for its value. Names that several have are told
    apart by the beginning of their ids.
    """

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        # A list asks a model's choices for their number first: one query more.
        self.choices = list(iter(self.choices))
        if len(self.choices) <= LONG:
            return super().render(name, value, attrs, renderer)
        names = _names(self.choices)
        shown = self.build_attrs(self.attrs, {**(attrs or {}), "name": name, "type": "text"})
        proposed = f"{shown.get('id', name)}_names"
        shown |= {"list": proposed, "autocomplete": "off", "placeholder": "Type a name"}
        # A name that is nobody's comes back as it was typed.
        shown["value"] = names.get(str(value), value or "")
        options = format_html_join("", '<option value="{}">', ((each,) for each in names.values()))
        return format_html(
            '<input{}><datalist id="{}">{}</datalist>', flatatt(shown), proposed, options
        )

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        sent = super().value_from_datadict(data, files, name)
        if not isinstance(sent, str) or not sent.strip() or _ID.search(sent):
            return sent
        values = {text: value for value, text in _names(self.choices).items()}
        return values.get(sent.strip(), sent)


class LongModelChoiceField(forms.ModelChoiceField):  # type: ignore[type-arg]
    """One of a model's rows, by `LongSelect`."""

    widget = LongSelect

    def to_python(self, value: Any) -> Any:
        """A name that is nobody's is no id either: said in the field's own words."""
        try:
            return super().to_python(value)
        except ValidationError as error:
            raise ValidationError(self.error_messages["invalid_choice"]) from error


def _names(choices: Iterable[Any]) -> dict[str, str]:
    """A name for each value, no two alike; nothing for the choice of none."""
    listed = [(str(value), str(label)) for value, label in choices if str(value)]
    often = Counter(label for _, label in listed)
    return {
        value: label if often[label] == 1 else f"{label} · {value.rpartition(':')[2][:8]}"
        for value, label in listed
    }
