"""Every backup has an account and a kind; lists of an account's are read in order."""

from __future__ import annotations

from datetime import UTC, datetime

import django.db.models.deletion
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps
from django.db.models import OuterRef, Subquery, Value
from django.db.models.functions import Coalesce


def note_latest(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Write the facts of the latest backup onto the resources there are."""
    backups = apps.get_model("backups", "Backup").objects
    of_each = backups.filter(resource=OuterRef("pk")).order_by("-created_at", "-pk")
    latest = of_each.filter(status__in=["creating", "ready", "failed", "missed"])
    good = of_each.filter(status="ready")
    never = datetime(1970, 1, 1, tzinfo=UTC)
    apps.get_model("portal", "Resource").objects.update(
        last_backup_id=Subquery(latest.values("pk")[:1]),
        last_backup_status=Coalesce(Subquery(latest.values("status")[:1]), Value("")),
        last_backup_at=Coalesce(Subquery(latest.values("created_at")[:1]), never),
        last_good_id=Subquery(good.values("pk")[:1]),
        last_good_at=Coalesce(Subquery(good.values("created_at")[:1]), never),
    )


class Migration(migrations.Migration):
    dependencies = [("backups", "0005_volumes")]

    operations = [
        migrations.AlterField(
            "backup",
            "account",
            models.ForeignKey(
                db_index=False,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="backups",
                to="portal.account",
            ),
        ),
        migrations.AlterField(
            "backup",
            "kind",
            models.CharField(
                choices=[
                    ("sandbox", "Sandbox"),
                    ("utility_server", "Utility Server"),
                    ("persistent_desktop", "Persistent Desktop"),
                    ("enterprise_profile", "Enterprise Profile"),
                    ("personal_drive", "Personal Drive"),
                ],
                max_length=20,
            ),
        ),
        migrations.AddField(
            "backup",
            "is_listed",
            models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(
                        status__in=("creating", "ready", "failed", "missed", "deleting"), then=True
                    ),
                    default=False,
                ),
                output_field=models.BooleanField(),
            ),
        ),
        migrations.AddIndex(
            "backup",
            models.Index(
                fields=["account", "is_listed", "-created_at", "-id"], name="backup_of_account"
            ),
        ),
        migrations.AddIndex(
            "backup",
            models.Index(
                fields=["account", "is_listed", "kind", "-created_at", "-id"],
                name="backup_of_kind",
            ),
        ),
        migrations.AddIndex(
            "backup",
            models.Index(
                fields=["account", "is_listed", "type", "-created_at", "-id"],
                name="backup_of_type",
            ),
        ),
        migrations.AddIndex(
            "backup",
            models.Index(
                fields=["account", "status", "-created_at", "-id"], name="backup_of_status"
            ),
        ),
        migrations.RunPython(note_latest, migrations.RunPython.noop),
    ]
