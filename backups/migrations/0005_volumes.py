"""Backups know their account and kind, and settings hold for all volumes of a kind."""

from __future__ import annotations

import uuid
from datetime import time

import django.core.validators
import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import OuterRef, Q, Subquery

KEPT = [
    django.core.validators.MinValueValidator(1),
    django.core.validators.MaxValueValidator(100),
]
KINDS = [
    ("sandbox", "Sandbox"),
    ("utility_server", "Utility Server"),
    ("persistent_desktop", "Persistent Desktop"),
    ("enterprise_profile", "Enterprise Profile"),
    ("personal_drive", "Personal Drive"),
]
ALL_KEPT = Q(
    keep_after_session__range=(1, 100),
    keep_manual__range=(1, 100),
    keep_scheduled__range=(1, 100),
)
SCHEDULED = Q(is_scheduled=False, next_run_at=None) | Q(
    is_scheduled=True, next_run_at__isnull=False, starts_on__isnull=False
)


def copy_from_resources(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Fill account and kind of the backups there are."""
    resources = apps.get_model("portal", "Resource").objects.filter(pk=OuterRef("resource"))
    apps.get_model("backups", "Backup").objects.update(
        account=Subquery(resources.values("account")[:1]),
        kind=Subquery(resources.values("kind")[:1]),
    )


def kept(label: str, default: int) -> models.PositiveSmallIntegerField:
    """A number of backups retained."""
    return models.PositiveSmallIntegerField(label, default=default, validators=KEPT)


class Migration(migrations.Migration):
    dependencies = [("backups", "0004_no_index_twice"), ("portal", "0006_volumes")]

    operations = [
        migrations.AddField(
            "backup",
            "account",
            models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="backups",
                to="portal.account",
            ),
        ),
        migrations.AddField(
            "backup", "kind", models.CharField(choices=KINDS, max_length=20, default="")
        ),
        migrations.RunPython(copy_from_resources, migrations.RunPython.noop),
        migrations.AddField(
            "backuppolicy",
            "keep_after_session",
            kept("number of post-session backups retained", 3),
        ),
        migrations.RemoveConstraint("backuppolicy", "kept_are_1_to_100"),
        migrations.AddConstraint(
            "backuppolicy", models.CheckConstraint(condition=ALL_KEPT, name="kept_are_1_to_100")
        ),
        migrations.CreateModel(
            "VolumePolicy",
            [
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False
                    ),
                ),
                ("is_scheduled", models.BooleanField("schedule daily backups", default=False)),
                ("backup_time", models.TimeField(default=time(2, 0))),
                ("time_zone", models.CharField(default="UTC", max_length=64)),
                (
                    "interval_days",
                    models.PositiveSmallIntegerField(default=1, validators=KEPT[:1]),
                ),
                ("starts_on", models.DateField(blank=True, null=True)),
                ("next_run_at", models.DateTimeField(blank=True, null=True)),
                ("keep_scheduled", kept("number of scheduled backups retained", 7)),
                ("keep_manual", kept("number of manual backups retained", 10)),
                ("keep_after_session", kept("number of post-session backups retained", 3)),
                ("kind", models.CharField(choices=KINDS, max_length=20)),
                (
                    "account",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="volume_policies",
                        to="portal.account",
                    ),
                ),
            ],
            options={
                "verbose_name_plural": "volume policies",
                "constraints": [
                    models.UniqueConstraint(fields=("account", "kind"), name="kind_has_one_policy"),
                    models.CheckConstraint(
                        condition=Q(kind__in=[kind for kind, _ in KINDS[2:]]),
                        name="policy_is_of_volumes",
                    ),
                    models.CheckConstraint(condition=ALL_KEPT, name="volumes_kept_are_1_to_100"),
                    models.CheckConstraint(condition=SCHEDULED, name="volumes_have_next_run"),
                ],
                "indexes": [models.Index(fields=["next_run_at"], name="volume_policy_is_due")],
            },
        ),
    ]
