"""Indexes: tasks of an account by state and not acknowledged, audit entries by their target."""

from __future__ import annotations

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("portal", "0001_tables")]

    operations = [
        migrations.AddIndex(
            model_name="task",
            index=models.Index(fields=["account", "state", "-created_at"], name="task_by_state"),
        ),
        migrations.AddIndex(
            model_name="task",
            index=models.Index(
                condition=models.Q(("acknowledged_at", None)),
                fields=["account", "-created_at"],
                name="task_in_widget",
            ),
        ),
        migrations.AddIndex(
            model_name="auditentry",
            index=models.Index(fields=["target_type", "target_id", "-at"], name="audit_of_target"),
        ),
    ]
