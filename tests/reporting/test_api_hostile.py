"""Every parameter and field of the API, given what people send who mean no good.

Both come out of the API's own description, so that what is added is tried too.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reporting.api import api
from reporting.api.document import document
from tests.factories import BackupFactory
from tests.hostile import TURNS, VALUES, bounded, dealt, text
from tests.people import World
from tests.reporting.api_calls import Program, assert_problem

pytestmark = pytest.mark.django_db
DESCRIPTION = document(api)
# A half of a character, which JSON can write and no database can store.
HALF = "\ud800"


@pytest.fixture
def program(world: World, settings: Any) -> Program:
    settings.API_REQUESTS_A_MINUTE = 1_000_000
    made = Program(world.customer, "customer_administrator")
    made.client.raise_request_exception = False
    return made


@pytest.fixture
def known(world: World) -> dict[str, str]:
    """What the ids in addresses stand for."""
    backup = BackupFactory(resource=world.sandbox)
    ids = {"account": world.account.pk, "resource": world.utility_server.pk}
    return {
        name: str(pk) for name, pk in (ids | {"backup": backup.pk, "task": backup.task_id}).items()
    }


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, verbs in DESCRIPTION["paths"].items():
        for verb, operation in verbs.items():
            yield path.removeprefix("/api/v1"), verb, operation


def parameters(operation: dict[str, Any], place: str) -> list[str]:
    return [each["name"] for each in operation.get("parameters", []) if each["in"] == place]


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema itself, or what it points to; of several the first that is something."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return resolved(DESCRIPTION["components"]["schemas"][name])
    choices = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    return (
        resolved(next(each for each in choices if each.get("type") != "null"))
        if choices
        else schema
    )


def made(schema: dict[str, Any], give: Callable[[], Any], *, all_of_it: bool) -> Any:
    """A body of that shape with something hostile in each text; of each field, if all of it."""
    schema = resolved(schema)
    kind = schema.get("type")
    if kind == "object":
        fields = schema.get("properties", {})
        return {name: made(each, give, all_of_it=all_of_it) for name, each in fields.items()}
    if kind == "array":
        return [made(schema.get("items", {}), give, all_of_it=all_of_it)]
    if all_of_it:
        return give()
    if "enum" in schema or "const" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    plain = {"boolean": True, "integer": 1, "number": 1, None: "x"}
    if kind in plain:
        return plain[kind]
    forms = {"uuid": "6a2a4f4e-6a0b-4d4e-9a55-0c8e5d8b9f11", "date-time": "2026-03-02T09:00:00Z"}
    return forms.get(schema.get("format", "")) or give()


def body_of(operation: dict[str, Any]) -> dict[str, Any] | None:
    content = operation.get("requestBody", {}).get("content", {})
    schema: dict[str, Any] | None = content.get("application/json", {}).get("schema")
    return schema


def assert_answered(answer: Any, said: str) -> None:
    assert answer.status_code < 500, said
    if answer.status_code >= 400:
        assert_problem(answer, answer.status_code)


@pytest.mark.parametrize("turn", TURNS)
def test_no_parameter_makes_it_stumble(turn: int, program: Program, known: dict[str, str]) -> None:
    for path, verb, operation in operations():
        names = parameters(operation, "query")
        for chosen in (names, *([name] for name in names)):
            query = dealt(chosen, turn)
            if verb == "get":
                assert_answered(program.get(path.format(**known), **query), f"{path} {query}")


def test_no_part_of_an_address_makes_it_stumble(program: Program, known: dict[str, str]) -> None:
    from urllib.parse import quote

    for path, verb, _ in operations():
        for value in VALUES[:3]:
            for name in known:
                if f"{{{name}}}" in path:
                    there = path.format(**{**known, name: quote(value, safe="")})
                    answer = program.get(there) if verb == "get" else program.post(there, {})
                    assert answer.status_code in {400, 404, 422}, (there, answer.status_code)


@pytest.mark.parametrize("value", [*VALUES, HALF, 10**400, -1, None, [], {}, True], ids=range(17))
@pytest.mark.parametrize("all_of_it", [True, False])
def test_no_field_of_a_body_makes_it_stumble(
    value: Any, all_of_it: bool, program: Program, known: dict[str, str]
) -> None:
    for path, verb, operation in operations():
        schema = body_of(operation)
        if schema is None or verb != "post":
            continue
        body = json.dumps(made(schema, lambda: value, all_of_it=all_of_it))
        assert_answered(program.post(path.format(**known), body), f"{path} {body[:500]}")
        headers = {"Idempotency-Key": "é\x01" * 200}
        answer = program.post(path.format(**known), body, **headers)
        assert_answered(answer, f"{path} {body[:500]}")


@bounded
@given(data=st.data())
def test_nothing_drawn_makes_it_stumble(
    data: st.DataObject, program: Program, known: dict[str, str]
) -> None:
    path, verb, operation = data.draw(st.sampled_from(list(operations())))
    there, schema = path.format(**known), body_of(operation)
    if verb == "get":
        query = {name: data.draw(text) for name in parameters(operation, "query")}
        assert_answered(program.get(there, **query), f"{path} {query!r}")
    elif schema:
        body = made(schema, lambda: data.draw(text), all_of_it=data.draw(st.booleans()))
        assert_answered(program.post(there, json.dumps(body)), f"{path} {body!r}")


def test_what_is_stored_comes_back_as_it_was_sent(program: Program, world: World) -> None:
    """The names of a backup, by the API, on a page, and in the CSV of the audit trail."""
    name = "\"'<b>Löwe</b> & {{ 7|add:7 }} =1+1"
    path = f"/accounts/{world.account.pk}/resources/{world.utility_server.pk}/backups"
    answer = program.post(path, {"name": name, "may_power_off": True})
    assert answer.status_code in {200, 201, 202}, answer.content
    listed = program.get(f"/accounts/{world.account.pk}/backups").json()["items"]
    assert [each["name"] for each in listed] == [name]
