from typing import Any

from django.db import migrations


def fill(apps: Any, schema_editor: Any) -> None:
    """Give entries the names of those who are still known; person by person, by an index."""
    entries = apps.get_model("portal", "AuditEntry").objects
    for user in apps.get_model("portal", "User").objects.iterator():
        first, _, last = user.full_name.strip().rpartition(" ")
        names = {"first_name": first, "last_name": last} if first else {"first_name": last}
        entries.filter(actor=user, email="").update(email=user.email, **names)


class Migration(migrations.Migration):
    dependencies = [
        ("portal", "0010_names_in_the_audit_trail"),
    ]

    operations = [
        # Going back, the columns go themselves.
        migrations.RunPython(fill, migrations.RunPython.noop),
    ]
