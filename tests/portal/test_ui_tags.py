"""What the shared tags say, and that they escape."""

from __future__ import annotations

import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from django import forms
from django.template import Context, Template
from django.test import RequestFactory

from portal import __version__
from portal.paging import Order
from portal.templatetags import ui

ROOT = Path(__file__).resolve().parents[2]
LONDON = ZoneInfo("Europe/London")
NOW = datetime(2025, 11, 20, 9, 42, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size_bytes", "said"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KB"),
        (1024**2 - 1, "1.0 MB"),
        (45.2 * 2**30, "45.2 GB"),
        (18.4 * 2**40, "18.4 TB"),
    ],
)
def test_sizes_have_one_decimal_and_count_in_binary(size_bytes: int, said: str) -> None:
    assert ui.size(size_bytes) == said


def test_an_unknown_value_is_a_dash_with_its_reason() -> None:
    for shown in (ui.size(None), ui.when(None), ui.duration(None), ui.ago(None), ui.since(None)):
        assert "&ndash;" in shown
        assert 'class="vh"' in shown


@pytest.mark.parametrize(
    ("at", "said"),
    [
        (datetime(2025, 11, 20, 2, 11, tzinfo=UTC), "Today, 02:11"),
        (datetime(2025, 11, 19, 22, 0, tzinfo=UTC), "Yesterday, 22:00"),
        (datetime(2025, 11, 21, 2, 0, tzinfo=UTC), "Tomorrow, 02:00"),
        (datetime(2025, 11, 3, 18, 30, tzinfo=UTC), "3 Nov 2025, 18:30"),
        # British summer time: an hour ahead of UTC, and the next day there.
        (datetime(2025, 7, 1, 23, 30, tzinfo=UTC), "2 Jul 2025, 00:30"),
    ],
)
def test_times_are_said_as_people_in_the_zone_say_them(at: datetime, said: str) -> None:
    assert ui.moment(at, LONDON, NOW) == said


def test_today_is_the_day_of_the_zone_not_of_utc() -> None:
    late = datetime(2025, 11, 20, 23, 30, tzinfo=UTC)
    assert ui.moment(late, ZoneInfo("Asia/Tokyo"), late) == "Today, 08:30"


def test_a_time_is_machine_readable() -> None:
    at = datetime(2025, 11, 3, 18, 30, tzinfo=UTC)
    assert ui.when(at, LONDON) == '<time datetime="2025-11-03T18:30:00Z">3 Nov 2025, 18:30</time>'


@pytest.mark.parametrize(
    ("span", "said"),
    [
        (timedelta(seconds=-3), "0 s"),
        (timedelta(seconds=10), "10 s"),
        (timedelta(minutes=4, seconds=59), "4 min"),
        (timedelta(hours=2, minutes=6), "2 h 06 min"),
        (timedelta(days=3, hours=4), "3 d 4 h"),
        (90, "1 min"),
    ],
)
def test_durations_have_at_most_two_units(span: timedelta | float, said: str) -> None:
    assert ui.duration(span) == said


@pytest.mark.parametrize(
    ("back", "said"),
    [
        (timedelta(seconds=20), "just now"),
        (timedelta(minutes=4), "4 min ago"),
        (timedelta(hours=5), "5 h ago"),
        (timedelta(days=1), "1 day ago"),
        (timedelta(days=6), "6 days ago"),
        (timedelta(minutes=-4), "in 4 min"),
    ],
)
def test_distances_are_rounded_down(back: timedelta, said: str) -> None:
    assert ui.distance(NOW - back, NOW) == said


def test_tags_escape_what_they_are_given() -> None:
    backup = SimpleNamespace(type="<", get_type_display=lambda: "<b>")
    given = {"backup": backup, "evil": "<script>"}
    drawn = Template(
        '{% status evil evil evil %}{% pill evil "x" evil %}{% type_badge backup %}'
        '{{ backup|type_badge }}{% icon evil evil %}{% nav_link "portal:home" evil evil %}'
    ).render(Context(given))
    assert "<script>" not in drawn
    assert "<b>" not in drawn


def test_every_icon_that_templates_name_is_in_the_sprite() -> None:
    sprite = (ROOT / "static/portal/icons.svg").read_text()
    drawn = set(re.findall(r'id="i-([a-z-]+)"', sprite))
    named = {
        look.icon
        for looks in (ui.TASK_LOOK, ui.LEVEL_LOOK, ui.RESULT_LOOK)
        for look in looks.values()
    }
    tag = re.compile(r'{% icon "([^"]+)"|{% (?:pill|status) "\w+" "([^"]+)"|shape="([^"]+)"')
    for page in (ROOT / "templates").rglob("*.html"):
        named |= {name for found in tag.findall(page.read_text()) for name in found if name}
    assert named <= drawn


def test_templates_carry_no_inline_script_or_style() -> None:
    refused = re.compile(
        r"<style|<script(?![^>]*\bsrc=)|\sstyle=|\son[a-z]+=|hx-on|javascript:|data:"
    )
    # Saved and opened from the disk, where it has a policy of its own and no style sheet beside it.
    to_print = ROOT / "templates" / "reporting" / "session_report.html"
    for page in (ROOT / "templates").rglob("*.html"):
        assert page == to_print or not refused.search(page.read_text()), page


class ExampleForm(forms.Form):
    name = forms.CharField(max_length=5, help_text="Shown in lists.")
    note = forms.CharField(required=False, widget=forms.Textarea)
    zone = forms.ChoiceField(choices=[("utc", "UTC")])
    kind = forms.ChoiceField(choices=[("a", "A"), ("b", "B")], widget=forms.RadioSelect)
    is_on = forms.BooleanField(widget=forms.CheckboxInput(attrs={"role": "switch"}))


def test_a_field_has_label_hint_and_error_tied_to_its_control() -> None:
    drawn = str(ExampleForm({"name": "<far too long>"})["name"].as_field_group())
    control = re.search(r"<input[^>]*>", drawn)
    assert control
    assert 'class="input"' in control[0]
    assert 'aria-invalid="true"' in control[0]
    assert 'aria-describedby="id_name_helptext id_name_error"' in control[0]
    assert 'id="id_name_helptext"' in drawn
    assert 'id="id_name_error"' in drawn
    assert '<label for="id_name">' in drawn
    assert "<far too" not in drawn


def test_only_optional_fields_say_so() -> None:
    form = ExampleForm()
    assert "Optional" in str(form["note"].as_field_group())
    assert "Optional" not in str(form["name"].as_field_group())


@pytest.mark.parametrize(
    ("field", "kind"),
    [
        ("name", "input"),
        ("note", "input"),
        ("zone", "select"),
        ("kind", "choices"),
        ("is_on", "switch"),
    ],
)
def test_a_field_is_drawn_by_its_widget(field: str, kind: str) -> None:
    assert ui.kind_of(ExampleForm()[field]) == kind


def test_what_is_wrong_with_a_whole_form_stands_above_it() -> None:
    form = ExampleForm({})
    form.add_error(None, "Settings were not <saved>")
    drawn = str(form)
    assert drawn.index('role="alert"') < drawn.index('id="id_name"')
    assert "not &lt;saved&gt;" in drawn


def test_an_address_keeps_the_rest_of_its_query() -> None:
    request = RequestFactory().get("/?q=a%26b&page=3")
    context = Context({"request": request})
    assert ui.url_with(context, sort="name", page=None) == "?q=a%26b&sort=name"
    assert ui.url_at(context, "page", 2) == "?q=a%26b&page=2"


@pytest.mark.parametrize(
    ("here", "is_current"),
    [("portal:account_settings", True), ("portal:account_access", True), ("portal:home", False)],
)
def test_navigation_marks_where_one_is(here: str, is_current: bool) -> None:
    account = SimpleNamespace(pk=UUID(int=1))
    context = Context({"section": here})
    drawn = ui.nav_link(context, "portal:account_settings", "settings", "Settings", account)
    assert ("aria-current" in drawn) is is_current


def test_a_heading_sorts_down_first_and_then_up() -> None:
    request = RequestFactory().get("/?q=a%26b&after=x")
    drawn = {}
    for sort in ("name", "-name"):
        page = SimpleNamespace(order=Order.parse(sort, ("name",), "name"))
        drawn[sort] = ui.sort_by(Context({"request": request, "page": page}), "name", "<Name>")
    assert 'href="?q=a%26b&amp;sort=-name" data-hx-get="?q=a%26b&amp;sort=-name"' in drawn["name"]
    assert 'href="?q=a%26b&amp;sort=name"' in drawn["-name"]
    assert "icon up" in drawn["name"]
    assert "&lt;Name&gt;" in drawn["name"]


def test_the_version_is_said_once() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["version"] == __version__
