from typing import Any

from django.db import migrations

# Type, period in months, starred, CSV/Report, report to print, Admin API.
ROWS = (
    ("session_reports", None, True, True, True, True),
    ("audit_trail", 24, False, True, False, True),
    ("sessions", 12, True, True, False, True),
    ("tasks", 12, False, False, False, False),
    ("usage", 12, True, True, False, True),
    ("user_activity", 12, False, True, False, True),
    ("disk_usage", 6, True, True, False, True),
    ("elasticity", 3, False, True, False, True),
    ("notifications", 3, False, False, False, False),
    ("session_trail", 2, False, True, False, True),
    ("session_logs", 1, False, False, False, False),
)
NAMES = ("data_type", "months", "is_starred", "has_csv", "has_report", "has_api")


def fill(apps: Any, schema_editor: Any) -> None:
    """Make the rows; those that are there stay as they are."""
    model = apps.get_model("reporting", "DataAvailability")
    rows = [
        model(position=position, **dict(zip(NAMES, row, strict=True)))
        for position, row in enumerate(ROWS, start=1)
    ]
    model.objects.bulk_create(rows, ignore_conflicts=True)


def empty(apps: Any, schema_editor: Any) -> None:
    apps.get_model("reporting", "DataAvailability").objects.all().delete()


class Migration(migrations.Migration):
    dependencies = [
        ("reporting", "0001_tables"),
    ]

    operations = [
        migrations.RunPython(fill, empty),
    ]
