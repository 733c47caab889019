"""Dialogs that start backups: of chosen volumes, of all that match, of all of some kinds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.views.decorators.http import require_http_methods

from backups import services as backups
from backups.services import LimitReached
from portal.access import Permission, Request, account_view
from portal.audit import Actor
from portal.dialogs import done, render_dialog
from portal.models import Resource
from portal.refusals import Refused
from volumes import fan_out, services
from volumes.forms import BackupAllForm, VolumeBackupForm
from volumes.lists import VolumeList, heads_of, rows_of, volumes_named
from volumes.search import matching
from volumes.selection import Selection

# The picker shows so many matches; who wants more types more.
MATCHES = 20
MOST_CHOSEN = 500
CHOICES = "volume-choices"


@dataclass(frozen=True)
class Chosen:
    """What a dialog was asked for: volumes ticked, or all that match a list's filters."""

    selection: Selection
    volumes: list[Resource]
    is_all: bool


def _chosen(request: Request, given: QueryDict) -> Chosen:
    if given.get("all"):
        selection = VolumeList(request.account, given).selection
        return Chosen(selection, [], is_all=True)
    keys = given.getlist("volume")[:MOST_CHOSEN]
    volumes = volumes_named(request.account, keys)
    return Chosen(Selection(tuple(each.pk for each in volumes)), volumes, is_all=False)


@account_view(Permission.PROTECT_VOLUMES)
@require_http_methods(["GET", "POST"])
def volume_backup_create(request: Request) -> HttpResponse:
    """Choose volumes, give a name (R064). ``look`` searches the picker, also without script."""
    is_post = request.method == "POST"
    given = request.POST if is_post else request.GET
    chosen = _chosen(request, given)
    is_save = is_post and "look" not in given
    form = VolumeBackupForm(given if is_save else None, initial={"name": given.get("name", "")})
    context = _context(request, chosen, form, given)
    if request.htmx.target == CHOICES:
        return render(request, "volumes/_volume_choices.html", context)
    if not is_save:
        return _dialog(request, context)
    if not chosen.is_all and not chosen.volumes:
        context["volume_error"] = "Choose at least one volume."
    if not form.is_valid() or "volume_error" in context:
        return _dialog(request, context, status=422)
    try:
        said = _start(request, chosen, form.cleaned_data["name"])
    except Refused as refusal:
        context |= {"refusal": refusal, "is_at_limit": isinstance(refusal, LimitReached)}
        return _dialog(request, context, status=422)
    return done(request, said, str(context["back"]))


def _start(request: Request, chosen: Chosen, name: str) -> SafeString:
    """Start one backup, or many under one task; return what to say."""
    actor = Actor.of(request)
    if len(chosen.volumes) == 1:
        backup = backups.create_volume_backup(actor, chosen.volumes[0], name=name)
        what, task = f"Backup “{backup}” of {chosen.volumes[0]}", backup.task_id
    else:
        made = services.backup_selection(actor, request.account, chosen.selection, name=name)
        what, task = str(made), made.pk
    address = reverse("reporting:task_detail", args=[request.account.pk, task])
    return format_html('{} requested. <a href="{}">View task</a>', what, address)


def _context(
    request: Request, chosen: Chosen, form: VolumeBackupForm, given: QueryDict
) -> dict[str, Any]:
    find = given.get("find", "").replace("\x00", "").strip()
    volumes = request.account.resources.volumes().select_related("account")
    others = matching(volumes, find).exclude(pk__in=[each.pk for each in chosen.volumes])
    matches = others.order_by("sort_name", "pk")[:MATCHES]
    meant = chosen.selection.rows(request.account)
    return {
        "form": form,
        "chosen": chosen,
        "find": find,
        "rows": () if chosen.is_all else rows_of([*chosen.volumes, *matches]),
        "outlook": fan_out.outlook(meant) if chosen.is_all or chosen.volumes else None,
        "back": _back(request, given),
        "heading": "Create Backup",
        "section": "volumes:volume_list",
    }


def _back(request: Request, given: QueryDict) -> str:
    """The tab it was opened from, as it stood."""
    # The dialog posts to its own address, which says where it was opened.
    origin = given.get("from") or request.GET.get("from")
    name = "volume_backup_list" if origin == "backups" else "volume_list"
    address = reverse(f"volumes:{name}", args=[request.account.pk])
    kept = {key: given[key] for key in ("q", "status", "kind") if given.get(key)}
    return f"{address}?{urlencode(kept)}" if kept else address


def _dialog(request: Request, context: dict[str, Any], *, status: int = 200) -> HttpResponse:
    return render_dialog(request, "volumes/volume_backup_create.html", context, status=status)


@account_view(Permission.PROTECT_VOLUMES)
@require_http_methods(["GET", "POST"])
def volume_backup_all(request: Request) -> HttpResponse:
    """Backup all persistent user volumes: one task for each, under one (R068)."""
    local = timezone.localtime(timezone.now(), request.account.zone)
    first = {
        "kinds": [Resource.Kind.PERSISTENT_DESKTOP],
        "name": f"All volumes {local.day} {local:%b %Y, %H:%M}",
    }
    given = request.POST if request.method == "POST" else None
    form = BackupAllForm(heads_of(request.account), given, initial=first)
    back = reverse("volumes:volume_list", args=[request.account.pk])
    context = {
        "form": form,
        "back": back,
        "heading": "Backup all persistent user volumes",
        "section": "volumes:volume_list",
    }
    template = "volumes/volume_backup_all.html"
    if given is None:
        return render_dialog(request, template, context)
    if form.is_valid():
        chosen = Chosen(Selection(kinds=tuple(form.cleaned_data["kinds"])), [], is_all=True)
        try:
            said = _start(request, chosen, form.cleaned_data["name"])
            return done(request, said, back)
        except Refused as refusal:
            form.refuse(refusal)
    return render_dialog(request, template, context, status=422)
