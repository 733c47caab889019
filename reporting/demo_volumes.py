"""The demo's volumes: what the inventory brought is scheduled, and some of it backed up."""

from __future__ import annotations

from datetime import time

from backups import policies
from backups import services as backups
from backups.models import Backup, VolumePolicy
from portal.audit import Actor
from portal.models import Account, CloudAccount, Resource
from volumes.selection import Selection
from volumes.services import backup_selection

Kind = Resource.Kind
# Time of day, and how many scheduled and manual backups are kept, for each kind.
NIGHTLY = {
    Kind.PERSISTENT_DESKTOP: (time(2), 7, 3),
    Kind.ENTERPRISE_PROFILE: (time(1), 14, 5),
    Kind.PERSONAL_DRIVE: (time(1, 30), 14, 5),
}
# One task backs these up together.
DESKTOPS, OF_DESKTOPS = "Before the October updates", Selection(kinds=(Kind.PERSISTENT_DESKTOP,))
# Volume and name of a backup, one by one. Another product protects EP-p.raman in the lab: its
# backup fails. Volumes that are not named here stay without any.
SINGLE = (
    ("EP-s.lindqvist", "Before profile clean-up"),
    ("EP-k.osei", "Before profile clean-up"),
    ("EP-p.raman", "Before profile clean-up"),
    ("PDR-s.lindqvist", "Before move to new quota"),
    ("PDR-m.okafor", "Before move to new quota"),
    ("EP-i.moreau", "Before CUDA 13"),
    ("EP-l.santos", "Before CUDA 13"),
    ("PDR-i.moreau", "Results of October"),
    ("PDR-l.santos", "Results of October"),
)


def are_lacking(cloud_account: CloudAccount) -> bool:
    """Whether there are desktops of users that no inventory has brought so far."""
    marked = cloud_account.servers.filter(description__contains="kind=persistent-desktop")
    volumes = Resource.objects.volumes().filter(cloud_account=cloud_account)
    is_home = Account.objects.filter(cloud_account=cloud_account).exists()
    return is_home and marked.exists() and not volumes.exists()


def schedule(actor: Actor, account: Account) -> None:
    """Schedule each kind, unless a person has set anything."""
    there = account.resources.volumes()
    if VolumePolicy.objects.filter(account=account).exists() or not there.exists():
        return
    for kind, (at, keep_scheduled, keep_manual) in NIGHTLY.items():
        wanted = policies.Wanted(True, at, account.time_zone, keep_scheduled, keep_manual)
        policies.save_volume_policy(actor, account, kind, wanted)


def back_up(actor: Actor, account: Account) -> int:
    """Request the backups that were never made before; return how many tasks that are."""
    begun = 0
    made = Backup.objects.filter(account=account)
    desktops = OF_DESKTOPS.rows(account)
    if desktops.exists() and not made.filter(name=DESKTOPS).exists():
        backup_selection(actor, account, OF_DESKTOPS, name=DESKTOPS)
        begun += 1
    for volume, name in SINGLE:
        resource = account.resources.volumes().filter(name=volume).first()
        if resource and not made.filter(resource=resource, name=name).exists():
            backups.create_volume_backup(actor, resource, name=name)
            begun += 1
    return begun
