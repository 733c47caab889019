"""Words for the resources that were there before words were kept."""

from __future__ import annotations

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

from portal.words import words_of


def note_words(apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Machines assigned so far: a few for each account."""
    resources = apps.get_model("portal", "Resource").objects.values_list(
        "pk", "account", "name", "user_name", "external_id"
    )
    word_model = apps.get_model("portal", "ResourceWord")
    word_model.objects.bulk_create(
        [
            word_model(resource_id=pk, account_id=account, word=word)
            for pk, account, *named in resources.iterator()
            for word in words_of(pk, *named)
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )


class Migration(migrations.Migration):
    dependencies = [("portal", "0007_tasks_of_tasks")]

    operations = [migrations.RunPython(note_words, migrations.RunPython.noop)]
