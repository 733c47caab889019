"""What a request may bring: too much, or what nobody can read, is a clean refusal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.conf import LazySettings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from gunicorn.config import Config

from portal.models import User
from tests.people import World
from tests.reporting.api_calls import Program, assert_problem

SignIn = Callable[[User], Client]
SIGN_IN = "/sign-in/login/"
FORM = "application/x-www-form-urlencoded"
MUCH = "x" * 2_700_000


@pytest.fixture
def client(db: None) -> Client:
    return Client(raise_request_exception=False)


@pytest.mark.parametrize(
    "form",
    [
        {"login": MUCH, "password": "x"},
        {f"field-{n}": "x" for n in range(1100)},
    ],
    ids=["bytes", "fields"],
)
def test_a_form_that_is_too_large_is_refused(client: Client, form: dict[str, str]) -> None:
    assert client.post(SIGN_IN, form, follow=True).status_code == 400


def test_nobody_can_leave_a_file(client: Client, settings: LazySettings, tmp_path: Path) -> None:
    settings.FILE_UPLOAD_TEMP_DIR = str(tmp_path)
    file = SimpleUploadedFile("a.exe", b"x" * 3_000_000)
    assert client.post(SIGN_IN, {"login": "a@example.org", "file": file}).status_code == 400
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("query", ["&".join(f"p{n}=1" for n in range(1100)), "q=" + "x" * 50_000])
def test_a_long_address_breaks_nothing(query: str, auditor: User, sign_in: SignIn) -> None:
    client = sign_in(auditor)
    client.raise_request_exception = False
    assert client.get(f"/accounts/?{query}").status_code in {200, 400}


def test_the_server_limits_lines_and_headers() -> None:
    """gunicorn's own limits, which a deployment keeps (README)."""
    config = Config().settings
    assert config["limit_request_line"].get() <= 8190
    assert config["limit_request_fields"].get() <= 100
    assert config["limit_request_field_size"].get() <= 8190


@pytest.mark.parametrize(
    "address", ["/accounts/%ff%fe/", "/%00", "/accounts/?q=%ff%c3%28%00", "/%2e%2e/"]
)
def test_an_address_nobody_can_read_breaks_nothing(
    address: str, auditor: User, sign_in: SignIn
) -> None:
    client = sign_in(auditor)
    client.raise_request_exception = False
    assert client.get(address).status_code in {200, 302, 404}


# Quotes and octal signs: how a NUL comes through a header that must not hold one.
NUL = '"a\\000bcdefghijklmnop\\377"'


@pytest.mark.parametrize("cookie", ["sessionid", "csrftoken", "account", "theme", "messages"])
@pytest.mark.parametrize("value", [NUL, "x" * 4000, "é", "%00", "'\"><script>"])
def test_a_cookie_nobody_gave_out_breaks_nothing(client: Client, cookie: str, value: str) -> None:
    for path in (SIGN_IN, "/accounts/"):
        answer = client.get(path, headers={"cookie": f"{cookie}={value}"})
        assert answer.status_code in {200, 302}, (path, answer.status_code)
        assert "<script>" not in answer.text


@pytest.mark.parametrize("cookie", ["account", "theme", "messages"])
def test_nor_does_it_for_somebody_signed_in(
    cookie: str, auditor: User, sign_in: SignIn, world: World
) -> None:
    client = sign_in(auditor)
    client.raise_request_exception = False
    session = client.cookies["sessionid"].value
    for value in (NUL, "x" * 4000, "'\"><script>"):
        answer = client.get("/", headers={"cookie": f"sessionid={session}; {cookie}={value}"})
        assert answer.status_code in {200, 302}


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        (FORM, b"login=%ff%fe%00&password=\xff\xfe"),
        (FORM, b"&&&===&%&login"),
        ("multipart/form-data", b"no boundary"),
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a'),
        ("application/json", b"{"),
        ("x" * 500, b"x"),
    ],
)
def test_a_body_nobody_can_read_breaks_nothing(client: Client, kind: str, body: bytes) -> None:
    answer = client.post(SIGN_IN, body, content_type=kind)
    assert answer.status_code in {200, 400}, answer.status_code


HEADERS: list[dict[str, str]] = [
    {"Authorization": "Bearer " + "x" * 8000},
    {"Authorization": "Bearer \x00.\x00"},
    {"Authorization": "Bearer é.é"},
    {"Authorization": "Basic YTpi"},
    {"Authorization": "Bearer"},
    {"X-Frame-ClientId": "x\x00", "X-Frame-Timestamp": "1", "X-Frame-Signature": "é"},
    {"X-Frame-ClientId": "x", "X-Frame-Timestamp": "٣", "X-Frame-Signature": "y"},
    {"X-Frame-ClientId": "x", "X-Frame-Timestamp": "9" * 400, "X-Frame-Signature": "y"},
]


@pytest.mark.parametrize("headers", HEADERS, ids=range(len(HEADERS)))
def test_a_key_nobody_gave_out_is_refused(client: Client, headers: dict[str, str]) -> None:
    assert_problem(client.get("/api/v1/accounts", headers=headers), 401)


def test_a_signature_that_is_none_is_refused(world: World, client: Client) -> None:
    key = Program(world.account, "auditor").key
    key.manner = "signed"
    key.save()
    for stamp, signed in (("1", "x"), ("٣", "x"), ("9" * 400, "x"), ("-1", ""), ("1e9", "é")):
        headers = {"X-Frame-ClientId": str(key.pk), "X-Frame-Timestamp": stamp}
        answer = client.get("/api/v1/accounts", headers=headers | {"X-Frame-Signature": signed})
        assert_problem(answer, 401)


BODIES: list[Any] = [
    "[" * 100_000,
    '{"a":' * 50_000,
    "9" * 10_000,
    '{"name": NaN}',
    '{"name": 1e999999}',
    '{"name": "\\ud800"}',
    '{"name": "\\u0000"}',
    '"text"',
    "null",
    "",
]


@pytest.mark.parametrize("body", BODIES, ids=range(len(BODIES)))
def test_json_nobody_can_read_is_refused(world: World, body: str) -> None:
    program = Program(world.customer, "customer_administrator")
    program.client.raise_request_exception = False
    for path in (
        f"/accounts/{world.account.pk}/resources/{world.sandbox.pk}/backups",
        f"/accounts/{world.account.pk}/publish",
        "/sessions/events",
    ):
        answer = program.post(path, body)
        assert_problem(answer, answer.status_code)
        assert answer.status_code in {400, 403, 422}, (path, answer.status_code)
