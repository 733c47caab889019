"""Volumes: who holds them, how their latest backup went, and the words they are found by."""

from __future__ import annotations

from datetime import UTC, datetime

import django.db.models.deletion
import django.db.models.functions.text
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

NEVER = datetime(1970, 1, 1, tzinfo=UTC)


def compare_bytes(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Let PostgreSQL order words by their bytes, as SQLite does: then a prefix is a range."""
    if schema_editor.connection.vendor == "postgresql":
        table = schema_editor.quote_name(apps.get_model("portal", "ResourceWord")._meta.db_table)
        schema_editor.execute(
            f'ALTER TABLE {table} ALTER COLUMN word TYPE varchar(100) COLLATE "C"'
        )


class Migration(migrations.Migration):
    dependencies = [("portal", "0005_no_index_twice")]

    operations = [
        migrations.AddField(
            "resource", "attached_to", models.CharField(blank=True, max_length=255)
        ),
        migrations.AddField(
            "resource",
            "sort_name",
            models.GeneratedField(
                db_persist=True,
                expression=django.db.models.functions.text.Lower("name"),
                output_field=models.CharField(max_length=255),
            ),
        ),
        migrations.AddField(
            "resource", "last_backup_id", models.UUIDField(editable=False, null=True)
        ),
        migrations.AddField(
            "resource",
            "last_backup_status",
            models.CharField(blank=True, editable=False, max_length=10),
        ),
        migrations.AddField(
            "resource", "last_backup_at", models.DateTimeField(default=NEVER, editable=False)
        ),
        migrations.AddField(
            "resource", "last_good_id", models.UUIDField(editable=False, null=True)
        ),
        migrations.AddField(
            "resource", "last_good_at", models.DateTimeField(default=NEVER, editable=False)
        ),
        migrations.AddField(
            "resource",
            "is_listed",
            models.GeneratedField(
                db_persist=True,
                expression=models.Case(
                    models.When(kind="persistent_desktop", then=~models.Q(user_name="")),
                    models.When(
                        kind__in=("persistent_desktop", "enterprise_profile", "personal_drive"),
                        then=True,
                    ),
                    default=False,
                ),
                output_field=models.BooleanField(),
            ),
        ),
        migrations.AddIndex(
            "resource",
            models.Index(
                fields=["account", "is_listed", "sort_name", "id"], name="resource_by_name"
            ),
        ),
        migrations.AddIndex(
            "resource",
            models.Index(
                fields=["account", "is_listed", "user_name", "id"], name="resource_by_user"
            ),
        ),
        migrations.AddIndex(
            "resource",
            models.Index(
                fields=["account", "is_listed", "size_bytes", "id"], name="resource_by_size"
            ),
        ),
        migrations.AddIndex(
            "resource",
            models.Index(
                fields=["account", "is_listed", "last_backup_at", "id"],
                name="resource_by_last_backup",
            ),
        ),
        migrations.AddIndex(
            "resource",
            models.Index(
                fields=["account", "is_listed", "kind", "last_backup_status"],
                name="resource_by_status",
            ),
        ),
        migrations.CreateModel(
            "ResourceWord",
            [
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("word", models.CharField(max_length=100)),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="portal.account",
                    ),
                ),
                (
                    "resource",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="words",
                        to="portal.resource",
                    ),
                ),
            ],
        ),
        # Before the indexes: they take the order of the column.
        migrations.RunPython(compare_bytes, migrations.RunPython.noop),
        migrations.AddIndex(
            "resourceword",
            models.Index(fields=["account", "word", "resource"], name="word_of_account"),
        ),
        migrations.AddConstraint(
            "resourceword",
            models.UniqueConstraint(fields=("resource", "word"), name="word_is_there_once"),
        ),
    ]
