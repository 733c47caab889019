"""What all answers of the API have in common: one shape of refusal, the rate, who may read what."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import LazySettings
from django.db import connections
from django.test import Client

from portal.models import User
from reporting.api.rates import spend
from reporting.models import ApiKey, DataAvailability
from tests.people import World
from tests.reporting.api_calls import BASE, Program, assert_problem
from tests.reporting.pages import SignIn

pytestmark = pytest.mark.django_db
DESCRIPTION, DOCS = f"{BASE}/openapi.json", f"{BASE}/docs"


@pytest.fixture
def program(world: World) -> Program:
    return Program(world.customer, "customer_administrator")


def test_every_answer_says_how_the_rate_stands(world: World, program: Program) -> None:
    left = []
    for path in ("/accounts", "/accounts?limit=0", f"/accounts/{world.customer.pk}"):
        answer = program.get(path)
        assert answer["X-RateLimit-Limit"] == "600"
        assert 0 < int(answer["X-RateLimit-Reset"]) - datetime.now(UTC).timestamp() <= 60
        assert "Retry-After" not in answer.headers
        left.append(int(answer["X-RateLimit-Remaining"]))
    # A new minute may have begun in between.
    assert all(number in {599, 598, 597} for number in left)


def test_a_key_that_asks_too_often_is_told_how_long_to_wait(
    world: World, program: Program, settings: LazySettings
) -> None:
    settings.API_REQUESTS_A_MINUTE = 1
    # A new minute may begin in between, but not twice.
    answers = [program.get("/accounts") for _ in range(3)]
    answer = next(each for each in answers if each.status_code != 200)
    assert_problem(answer, 429, "Wait")
    assert 0 < int(answer["Retry-After"]) <= 60
    assert answer["X-RateLimit-Remaining"] == "0"
    # Another key has a rate of its own, and a minute later this one may ask again.
    settings.API_REQUESTS_A_MINUTE = 600
    ApiKey.objects.filter(pk=program.key.pk).update(rate_count=600, rate_minute=1)
    assert program.get("/accounts").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_no_request_of_many_at_once_goes_uncounted(world: World, settings: LazySettings) -> None:
    key = Program(world.account, "auditor").key
    start = threading.Barrier(4)

    def ask() -> None:
        start.wait()
        for _ in range(10):
            spend(key)
        connections.close_all()

    before = int(datetime.now(UTC).timestamp()) // 60
    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    key.refresh_from_db()
    if key.rate_minute == before:
        assert key.rate_count == 40
    else:
        assert 0 < key.rate_count <= 40  # a new minute began meanwhile


def test_every_refusal_has_the_one_shape(world: World, program: Program) -> None:
    path = f"/accounts/{world.account.pk}/publish"
    assert_problem(program.post(path, "{"), 400, "parse")
    assert_problem(Client().get(f"{BASE}/accounts"), 401, "key")
    assert_problem(program.get("/nowhere"), 404, "address")
    assert_problem(Client().get("/api/v2/accounts"), 404, "address")
    answer = program.get(path)
    assert_problem(answer, 405, "GET", "POST")
    assert answer["Allow"] == "POST"
    assert_problem(program.post(path, " " * 3_000_000), 413, "too large")
    assert_problem(program.post(path, {"x": 1}), 422, "x")
    assert answer["Cache-Control"] == "no-store"


def test_what_fails_here_is_a_problem_with_the_requests_id(program: Program) -> None:
    DataAvailability.objects.all().delete()
    account = program.key.accounts().get()
    program.client.raise_request_exception = False
    answer = program.get(f"/accounts/{account.pk}/reports/audit-trail")
    assert_problem(answer, 500, answer["X-Request-ID"])


def test_a_page_that_is_not_there_stays_a_page(auditor: User, sign_in: SignIn) -> None:
    answer = sign_in(auditor).get("/nowhere/")
    assert answer.status_code == 404
    assert answer["Content-Type"].startswith("text/html")


def test_the_description_is_for_people_signed_in_and_for_keys(
    program: Program, auditor: User, sign_in: SignIn
) -> None:
    assert_problem(Client().get(DESCRIPTION), 401)
    told = program.get("/openapi.json").json()
    assert told == sign_in(auditor).get(DESCRIPTION).json()
    assert sign_in(auditor).get(DOCS).status_code == 200
    assert Client().get(DOCS).status_code == 302
    assert program.get("/docs").status_code == 302  # a key signs nobody in


def _operations(told: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    paths = told["paths"].items()
    return [(f"{verb} {path}", what) for path, verbs in paths for verb, what in verbs.items()]


def test_the_description_has_every_refusal_with_an_example(program: Program) -> None:
    told = program.get("/openapi.json").json()
    for name, operation in _operations(told):
        answers = operation["responses"]
        assert set(answers) >= {"400", "401", "403", "404", "405", "422", "429", "500"}, name
        for status, answer in answers.items():
            if status >= "400":
                content = answer["content"]["application/json"]
                assert content["schema"] == {"$ref": "#/components/schemas/Problem"}, name
                assert content["example"]["status"] == int(status), name
        assert "X-RateLimit-Remaining" in answers["429"]["headers"], name
        assert operation["security"], name
        assert operation["summary"], name


def test_exactly_the_ticked_types_of_data_can_be_read(world: World, program: Program) -> None:
    """R144 to R154."""
    told = program.get("/openapi.json").json()
    described = {path.rpartition("/")[2] for path in told["paths"] if "/reports/" in path}
    ticked = DataAvailability.objects.filter(has_api=True).values_list("data_type", flat=True)
    assert described == {each.replace("_", "-") for each in ticked}
    for each in DataAvailability.objects.all():
        name = each.data_type.replace("_", "-")
        answer = program.get(f"/accounts/{world.account.pk}/reports/{name}")
        assert answer.status_code == (200 if each.has_api else 404), name
    assert json.dumps(told)
