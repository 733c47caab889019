"""Tasks that start others: the parent, and indexes for lists that show parents alone."""

from __future__ import annotations

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0006_volumes")]

    operations = [
        migrations.AddField(
            "task",
            "parent",
            models.ForeignKey(
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="children",
                to="portal.task",
            ),
        ),
        migrations.RemoveIndex("task", "task_of_account"),
        migrations.RemoveIndex("task", "task_by_state"),
        migrations.AddIndex(
            "task",
            models.Index(fields=["account", "parent", "-created_at"], name="task_on_top"),
        ),
        migrations.AddIndex(
            "task", models.Index(fields=["account", "state", "parent"], name="task_by_state")
        ),
        migrations.AddIndex(
            "task", models.Index(fields=["parent", "state"], name="task_of_parent")
        ),
        migrations.AddIndex(
            "task",
            models.Index(
                fields=["cloud_account", "state", "account", "created_at"], name="task_in_line"
            ),
        ),
    ]
