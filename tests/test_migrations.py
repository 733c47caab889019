"""Migrations run while web processes of the release before go on (portal/deployment/README.md).

What landed before the rules is left out. A migration that is newer obeys them, or does not land.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection, migrations, models
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations.base import Operation
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState

from portal.locks import AddIndexConcurrently

OURS = ("portal", "backups", "volumes", "disaster_recovery", "reporting")
# The last of each app that landed before the rules.
LANDED = {
    "portal": "0017_account_termination",
    "backups": "0012_purged_tasks",
    "disaster_recovery": "0003_kept_backups",
    "reporting": "0008_times_of_records",
}
# Tables of which a deployment has a hundred thousand rows or more: what looks at each of them
# under a lock stops everybody for that long.
BIG = {
    "portal.task", "portal.resource", "portal.auditentry", "portal.notification",
    "portal.resourceword", "backups.backup", "backups.replica", "reporting.session",
    "reporting.sessionevent", "reporting.disksample",
}  # fmt: skip
GOING = (
    migrations.RemoveField, migrations.DeleteModel, migrations.RenameField,
    migrations.RenameModel, migrations.AlterModelTable,
)  # fmt: skip
DATA = (migrations.RunPython, migrations.RunSQL)


def complaints(migration: Any, state: ProjectState, version: str) -> list[str]:
    """What a migration does that the release before it, still running, would not survive.

    ``contracts`` on its class is the last release whose code used what it takes away.
    """
    found, made = [], set[str]()
    operations = list(_flat(migration.operations))
    if any(isinstance(each, DATA) for each in operations) and len(operations) > 1:
        found.append("data and tables are changed in one migration: the lock outlasts the data")
    last_use = getattr(migration, "contracts", None)
    for each in operations:
        if isinstance(each, migrations.CreateModel):
            made.add(each.name_lower)
        if isinstance(each, GOING) and not (last_use and _number(last_use) < _number(version)):
            found.append(
                f"{each.describe()}: running code uses it. Release code that does not, then take "
                "it away, with `contracts` naming the last release that did"
            )
        table = getattr(each, "model_name_lower", None) or getattr(each, "name_lower", "")
        key = f"{migration.app_label}.{table}"
        found += _of_fields(each, state, migration.app_label)
        if key in BIG and table not in made:
            found += [f"{key} is big. {said}" for said in _of_big(each, migration)]
        each.state_forwards(migration.app_label, state)
    return found


def _flat(operations: list[Operation]) -> Iterator[Operation]:
    for each in operations:
        if isinstance(each, migrations.SeparateDatabaseAndState):
            yield from _flat(list(each.database_operations))
        else:
            yield each


def _of_fields(operation: Operation, state: ProjectState, app: str) -> Iterator[str]:
    """An INSERT of the old code does not name a new column: the database has to fill it."""
    if not isinstance(operation, migrations.AddField | migrations.AlterField):
        return
    field, name = operation.field, f"{operation.model_name}.{operation.name}"
    if field.many_to_many or isinstance(field, models.GeneratedField):
        return
    must_be_given = not field.null and not field.has_db_default()
    if isinstance(operation, migrations.AddField) and must_be_given:
        yield f"{name}: the old code does not give it. null=True, or db_default"
    if isinstance(operation, migrations.AlterField) and must_be_given:
        before = state.models[app, operation.model_name_lower].fields[operation.name]
        if before.null or before.has_db_default():
            yield f"{name}: the old code may leave it out yet"


def _of_big(operation: Operation, migration: Any) -> Iterator[str]:
    concurrently = isinstance(operation, AddIndexConcurrently)
    if isinstance(operation, migrations.AddIndex) and not concurrently:
        yield "Its index stops writers: portal.locks.AddIndexConcurrently"
    if concurrently and migration.atomic:
        yield "An index that is made concurrently needs atomic = False"
    if isinstance(operation, migrations.AddConstraint):
        yield "Its constraint looks at every row under a lock: hold to it in code"
    if isinstance(operation, migrations.AlterField) and not _is_lax(operation.field):
        yield "A column that is changed may be written anew, under a lock: add another"
    if isinstance(operation, migrations.AddField):
        field: Any = operation.field
        if isinstance(field, models.GeneratedField):
            yield "A generated column writes every row anew"
        if field.db_index or field.unique:
            yield "The column's index stops writers: db_index=False, then AddIndexConcurrently"


def _is_lax(field: Any) -> bool:
    """Text and choices: what changes is in Python, or a limit that only grows."""
    return isinstance(field, models.CharField | models.TextField)


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def _version() -> str:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    return str(tomllib.loads(text)["project"]["version"])


def test_every_migration_lets_the_release_before_it_go_on() -> None:
    loader = _loader()
    said = []
    for key in loader.graph.nodes:
        app, name = key
        if app in OURS and name > LANDED.get(app, ""):
            parents = [parent.key for parent in loader.graph.node_map[key].parents]
            before = loader.project_state(parents) if parents else ProjectState()
            found = complaints(loader.get_migration(app, name), before, _version())
            said += [f"{app} {name}: {each}" for each in found]
    assert not said, "\n".join(said)


def test_the_last_that_landed_are_there() -> None:
    """A wrong name would let everything pass."""
    loader = _loader()
    assert set(LANDED.items()) <= set(loader.graph.nodes)
    assert {f"{each._meta.label_lower}" for each in apps.get_models()} >= BIG


def _migration(*operations: Operation, atomic: bool = True, contracts: str | None = None) -> Any:
    attributes = {"operations": list(operations), "atomic": atomic}
    if contracts:
        attributes["contracts"] = contracts
    return type("Migration", (migrations.Migration,), attributes)("9999_x", "portal")


@cache
def _loader() -> MigrationLoader:
    return MigrationLoader(None, ignore_no_migrations=True)


@cache
def _state() -> ProjectState:
    return _loader().project_state()


def _landed() -> ProjectState:
    return _state().clone()


_INDEX = models.Index(fields=["kind"], name="x")
_CHECK = models.CheckConstraint(condition=models.Q(percent__lte=100), name="x")
REFUSED = {
    "drop a column": _migration(migrations.RemoveField("task", "advice")),
    "drop a table": _migration(migrations.DeleteModel("Heartbeat")),
    "rename": _migration(migrations.RenameField("task", "advice", "hint")),
    "too early": _migration(migrations.RemoveField("task", "advice"), contracts=_version()),
    "not null": _migration(migrations.AddField("account", "x", models.IntegerField(default=1))),
    "tighten": _migration(
        migrations.AlterField("task", "started_at", models.DateTimeField())
    ),
    "index": _migration(migrations.AddIndex("task", _INDEX)),
    "in a transaction": _migration(AddIndexConcurrently("task", _INDEX)),
    "constraint": _migration(migrations.AddConstraint("task", _CHECK)),
    "indexed column": _migration(
        migrations.AddField("task", "x", models.IntegerField(null=True, db_index=True))
    ),
    "data beside tables": _migration(
        migrations.AddField("account", "x", models.IntegerField(null=True)),
        migrations.RunPython(migrations.RunPython.noop),
    ),
    "retype": _migration(migrations.AlterField("task", "percent", models.BigIntegerField())),
}  # fmt: skip
ALLOWED = {
    "null": _migration(migrations.AddField("task", "x", models.IntegerField(null=True))),
    "default": _migration(migrations.AddField("task", "x", models.IntegerField(db_default=1))),
    "later": _migration(migrations.RemoveField("task", "advice"), contracts="0.0.9"),
    "concurrently": _migration(AddIndexConcurrently("task", _INDEX), atomic=False),
    "index of few": _migration(migrations.AddIndex("account", _INDEX)),
    "data": _migration(migrations.RunPython(migrations.RunPython.noop)),
    "choices": _migration(migrations.AlterField("task", "kind", models.CharField(max_length=99))),
    "new table": _migration(
        migrations.CreateModel("New", [("id", models.BigAutoField(primary_key=True))])
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_running_code_would_not_survive_is_refused(name: str) -> None:
    assert complaints(REFUSED[name], _landed(), _version())


@pytest.mark.parametrize("name", ALLOWED)
def test_what_it_does_not_notice_is_allowed(name: str) -> None:
    assert complaints(ALLOWED[name], _landed(), _version()) == []


@pytest.mark.django_db(transaction=True)
def test_an_index_is_made_concurrently_and_anew_after_one_that_broke_off() -> None:
    operation = AddIndexConcurrently("heartbeat", models.Index(fields=["at"], name="beat_by_time"))
    before = _landed()
    after = before.clone()
    operation.state_forwards("portal", after)
    table = "portal_heartbeat"
    with connection.schema_editor(atomic=False) as editor:
        operation.database_forwards("portal", editor, before, after)
        assert "beat_by_time" in _indexes(table)
        if connection.vendor == "postgresql":
            # As one that was interrupted has left it.
            with connection.cursor() as cursor:
                cursor.execute(
                    "UPDATE pg_index SET indisvalid = false "
                    "WHERE indexrelid = 'beat_by_time'::regclass"
                )
            operation.database_forwards("portal", editor, before, after)
        operation.database_backwards("portal", editor, after, before)
        assert "beat_by_time" not in _indexes(table)


def _indexes(table: str) -> set[str]:
    with connection.cursor() as cursor:
        return set(connection.introspection.get_constraints(cursor, table))


@pytest.mark.django_db(transaction=True)
def test_a_migration_gives_up_on_a_table_that_others_use() -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite has one writer, and waits for it by its own timeout")
    given = connection.get_connection_params()
    words = {name: given[name] for name in ("host", "user", "dbname") if name in given}
    with psycopg.connect(**words) as other:
        other.execute("LOCK TABLE portal_account IN ACCESS SHARE MODE")
        with pytest.raises(CommandError, match="in use for longer than --lock-seconds"):
            call_command("migrate", "portal", "0019", lock_seconds=0.2, verbosity=0)
    name = LANDED["portal"]
    assert MigrationRecorder(connection).applied_migrations().keys() >= {("portal", name)}
    with connection.cursor() as cursor:
        cursor.execute("SHOW lock_timeout")
        assert cursor.fetchone() == ("0",)
