"""A whole life of the product at both clouds, and every secret of it looked for everywhere.

Secrets go in by the pages, as people type them; then machines are backed up, published,
replicated, restored and deleted, sign-ins fail, alerts leave, programs call. At the end every
log line of every library at level DEBUG, every row, page, file and answer is searched.
"""

from __future__ import annotations

import itertools
import json
import logging
import re
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

import pytest
from django.conf import LazySettings
from django.core import mail
from django.core.cache import cache
from django.test import Client, TestCase
from django.urls import reverse
from structlog.stdlib import ProcessorFormatter

from backups.models import Backup
from portal.engine.runner import Runner
from portal.lab import Lab, LabServer
from portal.logs import logging_config
from portal.models import CloudAccount, Infrastructure, Role, Task, User
from reporting import alert_sending
from reporting.api_keys import signature
from reporting.models import ApiKey, DataAvailability
from tests.factories import RoleGrantFactory, UserFactory
from tests.portal.test_second_factor import code_of, secret_on
from tests.recovery_scene import SERVER, RecoveryScene, build_recovery
from tests.reporting.receiver import receiving
from tests.secrets_told import forms_of, rows, told

PASSWORD = "the person's own pass-phrase 4711"
WRONG = "a wrong pass-phrase 0815"
WRONG_CLOUD = "a wrong cluster pass-word 0816"
AZURE_SECRET = "azure/secret+with=signs&4712~"
HOOK_KEY = "hook-key-4713"
METRICS = "metrics-token-4714"
AHV, AZURE = Infrastructure.AHV, Infrastructure.AZURE
MOST_PAGES = 110


@dataclass
class Life:
    """What was said, and the secrets that must not be in it."""

    client: Client
    secrets: dict[str, str] = field(default_factory=dict)
    said: list[tuple[str, str]] = field(default_factory=list)

    def post(self, path: str, form: dict[str, Any], status: int = 302) -> Any:
        answer = self.client.post(path, form)
        assert answer.status_code == status, (path, answer.status_code, answer.text[-3000:])
        return answer

    def hear(self, place: str, answer: Any) -> Any:
        """Keep all of an answer."""
        body = answer.getvalue().decode() if answer.streaming else answer.content.decode()
        self.said.append((place, f"{answer.headers}\n{body}"))
        return answer


class _Listener(logging.Handler):
    """Keeps every record twice: as the product writes it, and with all that hangs on it."""

    def __init__(self, lines: list[tuple[str, str]], formatter: logging.Formatter) -> None:
        super().__init__(logging.DEBUG)
        self.lines = lines
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        place = f"log {record.name}"
        self.lines.append((place, f"{record.getMessage()} {vars(record)!r}"))
        if record.exc_info and record.exc_info[0]:
            self.lines.append((place, "".join(traceback.format_exception(*record.exc_info))))
        self.lines.append((place, self.format(record)))


@pytest.fixture
def lines() -> Iterator[list[tuple[str, str]]]:
    """Log lines of everything in this process, at level DEBUG."""
    kept: list[tuple[str, str]] = []
    config = logging_config("DEBUG")
    drawn = config["formatters"]["json"]
    formatter = ProcessorFormatter(
        foreign_pre_chain=drawn["foreign_pre_chain"], processors=drawn["processors"]
    )
    listener = _Listener(kept, formatter)
    levels = {name: each.get("level", "DEBUG") for name, each in config["loggers"].items()}
    levels |= {"": "DEBUG", "azure": "DEBUG"}  # more than the product writes
    before = {name: logging.getLogger(name).level for name in levels}
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    heard = [logging.getLogger(name) for name in ("", "django-q", "django.server")]
    for logger in heard:
        logger.addHandler(listener)
    yield kept
    for logger in heard:
        logger.removeHandler(listener)
    for name, number in before.items():
        logging.getLogger(name).setLevel(number)


class _Links(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in {"href", "hx-get"} and (value or "").startswith("/"):
                self.found.append((value or "").partition("#")[0])


def crawl(life: Life, client: Client, start: str, most: int = MOST_PAGES) -> int:
    """Open every page that leads on from one, of each kind a few; keep them all."""
    waiting, seen, kinds = [start], {start}, dict[str, int]()
    opened = 0
    while waiting and opened < most:
        path = waiting.pop(0)
        kind = re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}|\d+|[?].*", "*", path)
        kinds[kind] = kinds.get(kind, 0) + 1
        if kinds[kind] > 2 or path.startswith(("/static/", "/sign-in/logout")):
            continue
        answer = life.hear(f"page {path}", client.get(path))
        opened += 1
        if not answer.streaming and answer.headers["Content-Type"].startswith("text/html"):
            new = [link for link in _Links(answer.text).found if link not in seen]
            seen.update(new)
            waiting += new
    return opened


@pytest.fixture
def life(db: None, lines: list[tuple[str, str]], settings: LazySettings) -> Life:
    """Somebody signs in, first with a wrong password."""
    cache.clear()
    settings.METRICS_TOKEN = METRICS
    person: User = UserFactory(full_name="Cleo Adams", email="cleo@example.org")
    person.set_password(PASSWORD)
    person.save()
    client = Client()
    client.raise_request_exception = False
    found = Life(client, said=lines)
    for password in (WRONG, PASSWORD):
        client.post("/sign-in/login/", {"login": person.email, "password": password})
    found.secrets |= {"password": PASSWORD, "wrong password": WRONG, "metrics": METRICS}
    found.secrets |= {"signing key": settings.SECRET_KEY, "secrets key": settings.SECRETS_KEYS[0]}
    return found


def add_factor(life: Life) -> None:
    """An authenticator app, whose secret the page of its set-up alone shows.

    Recovery codes are not looked for: eight digits are found by chance in so much text.
    """
    path = "/security/totp/activate/"
    life.post("/sign-in/reauthenticate/", {"password": PASSWORD})
    secret = secret_on(life.client.get(path).text)
    life.secrets["authenticator secret"] = secret
    life.post(path, {"code": "000000"}, 200)
    life.post(path, {"code": code_of(secret)})
    life.post("/sign-in/logout/", {})
    life.post("/sign-in/login/", {"login": "cleo@example.org", "password": PASSWORD})
    life.post("/security/authenticate/", {"code": code_of(secret)})


def grow(life: Life, server: LabServer, lab: Lab, kind: str) -> RecoveryScene:
    """A world at a cloud, whose secrets are typed into the page of its cloud account."""
    scene = build_recovery(server, lab, kind=kind, what=SERVER, is_on=False)
    customer = scene.account.organization.customer
    person = User.objects.get(email="cleo@example.org")
    RoleGrantFactory(user=person, role=Role.CUSTOMER_ADMINISTRATOR, customer=customer)
    secrets = scene.scene.site.connection.secrets
    typed = dict(secrets) | {"client_secret": AZURE_SECRET} if kind == AZURE else dict(secrets)
    path = reverse("portal:cloud_account_edit", args=[scene.account.cloud_account_id])
    cloud_account = scene.resource.cloud_account
    form = {"name": cloud_account.name, "endpoint": cloud_account.endpoint,
            "ca_pem": cloud_account.ca_pem}  # fmt: skip
    # Refused once: the form comes back, without what was typed.
    life.hear("a form refused", life.post(path, form | typed | {"endpoint": "http://x"}, 422))
    life.post(path, form | typed)
    hidden = ("password", "agent_token", "client_secret")
    life.secrets |= {f"{kind} {name}": typed[name] for name in hidden if name in typed}
    return scene


def work(life: Life, scene: RecoveryScene) -> None:
    """Back up, publish, replicate, restore and delete; then let the cloud refuse the sign-in."""
    scene.enable()
    backup = scene.backup()
    assert backup.is_ready, backup.error
    published = scene.scene.publish()
    scene.drive(published.task)
    published.refresh_from_db()
    assert published.is_ready, published.error
    assert scene.restore(backup, from_replica=True).state == Task.State.DONE
    assert scene.delete(backup).state == Task.State.DONE
    cloud_account = scene.resource.cloud_account
    name = "password" if scene.is_ahv else "client_secret"
    form = {"name": cloud_account.name, "endpoint": cloud_account.endpoint,
            "ca_pem": cloud_account.ca_pem}  # fmt: skip
    form |= cloud_account.secrets | {"agent_token": "", name: WRONG_CLOUD}
    life.post(reverse("portal:cloud_account_edit", args=[cloud_account.pk]), form)
    life.post(reverse("portal:cloud_account_test", args=[cloud_account.pk]), {})
    Runner(clock=scene.scene.clock, threads=2).run(seconds=600)
    cloud_account.refresh_from_db()
    assert cloud_account.health == CloudAccount.Health.REFUSED
    life.secrets["wrong cloud password"] = WRONG_CLOUD


def give_keys(life: Life, scene: RecoveryScene) -> None:
    """A key of each manner, used well and badly; an invitation; a webhook that is called."""
    account = scene.account.pk
    for manner in ("bearer", "signed"):
        path = reverse("reporting:api_key_create", args=[account])
        form = {"name": manner, "role": "account_administrator", "manner": manner}
        shown = life.post(path, form, 200).text
        life.secrets[f"{manner} key"] = re.findall(r'id="api-secret">([^<]+)<', shown)[0]
    _call(life, account)
    path = reverse("portal:role_grant_create", args=[account])
    with TestCase.captureOnCommitCallbacks(execute=True):
        life.post(path, {"email": "new@example.org", "role": "auditor:account"})


def _call(life: Life, account: object) -> None:
    """What programs do, once so that it fails here."""
    key = ApiKey.objects.get(manner=ApiKey.Manner.SIGNED)
    stamp = str(int(time.time()))
    signed = {
        "X-Frame-ClientId": str(key.pk),
        "X-Frame-Timestamp": stamp,
        "X-Frame-Signature": signature(life.secrets["signed key"], stamp, str(key.pk)),
    }
    life.secrets["signature"] = signed["X-Frame-Signature"]
    bearer = {"Authorization": f"Bearer {life.secrets['bearer key']}"}
    program = Client(raise_request_exception=False)
    base = f"/api/v1/accounts/{account}"
    kept = list(DataAvailability.objects.values())
    for headers, (path, status) in itertools.product(
        (signed, bearer),
        ((base, 200), (f"{base}/backups", 200), (f"{base}/reports/audit-trail", 200),
         (f"{base}/nothing", 404)),
    ):  # fmt: skip
        answer = life.hear(f"API {path}", program.get(path, headers=headers))
        assert answer.status_code == status
    DataAvailability.objects.all().delete()
    for headers in (signed, bearer):
        path = f"{base}/reports/audit-trail"
        assert life.hear("API fails", program.get(path, headers=headers)).status_code == 500
    DataAvailability.objects.bulk_create(DataAvailability(**row) for row in kept)
    wrong = {"Authorization": f"Bearer {life.secrets['bearer key']}x"}
    assert life.hear("API refuses", program.get(base, headers=wrong)).status_code == 401
    token = {"Authorization": f"Bearer {METRICS}"}
    assert life.hear("metrics", program.get("/metrics", headers=token)).status_code == 200


def alert(life: Life, scene: RecoveryScene) -> None:
    """A webhook's secret is shown when it is made; then it is posted to, well and in vain."""
    account = scene.account.pk
    with receiving() as receiver:
        form = {"name": "Chat", "lowest_level": "info", "timing": "at_once", "channel": "webhook",
                "digest_time": "08:00", "url": receiver.url.replace("k1", HOOK_KEY)}  # fmt: skip
        shown = life.post(reverse("reporting:alert_create", args=[account]), form, 200).text
        secret = re.findall(r'id="secret" value="([^"]+)"', shown)[0]
        life.secrets |= {"webhook secret": secret, "webhook key": HOOK_KEY}
        rule = re.findall(r"/alerts/([0-9a-f-]{36})/", shown)[0]
        test = reverse("reporting:alert_test", args=[account, rule])
        for status in (204, 500):
            receiver.status = status
            life.post(test, {})
            alert_sending.run()
        assert len(receiver.came) == 2


@pytest.mark.parametrize("kind", [AHV, AZURE])
def test_no_secret_is_told_anywhere(
    life: Life, lab_server: LabServer, lab: Lab, staff: User, sign_in: Callable[[User], Client],
    kind: str,
) -> None:  # fmt: skip
    lab.azure.access.secret = AZURE_SECRET
    add_factor(life)
    scene = grow(life, lab_server, lab, kind)
    give_keys(life, scene)
    alert(life, scene)
    work(life, scene)
    (invited,) = [each for each in mail.outbox if "invitations" in str(each.body)]
    life.secrets["invitation"] = re.findall(r"/invitations/([^/\s]+)/", str(invited.body))[0]
    life.secrets["session"] = life.client.cookies["sessionid"].value
    assert crawl(life, life.client, f"/accounts/{scene.account.pk}/") > 60
    assert crawl(life, sign_in(staff), "/admin/") > 40
    stored = [(place, text) for place, text in rows() if place != "table django_session"]
    assert len(life.secrets) >= 14
    assert Backup.objects.exists()
    found = told(life.secrets, [*life.said, *stored])
    assert [each for each in found if not is_meant(each)] == []


def is_meant(found: str) -> bool:
    """Who may change the address of a webhook sees it whole there; it is kept as it was typed.

    The key of a session is in the table beside Django's own, which has it as well.
    """
    name, _, place = found.partition(" in ")
    if found == "session in table portal_usersession":
        return True
    return name == "webhook key" and bool(
        re.fullmatch(r"table reporting_alertrule|page /accounts/.*/alerts/[^/]*/(edit/)?", place)
    )


@pytest.mark.parametrize("secret", ["lab-password", AZURE_SECRET, PASSWORD])
def test_a_secret_is_found_in_every_form(secret: str) -> None:
    """That the search above would find what it looks for."""
    import base64
    from urllib.parse import quote, urlencode

    raw = secret.encode()
    texts = [
        secret,
        f"https://x/?a={quote(secret)}",
        urlencode({"client_secret": secret}),
        base64.b64encode(b"admin:" + raw).decode(),
        base64.b64encode(b"user:" + raw + b"\n").decode(),
        base64.urlsafe_b64encode(b"ab:" + raw).decode(),
        raw.hex(),
        json.dumps({"password": secret}),
        repr({"password": secret}),
    ]
    for text in texts:
        assert told({"it": secret}, [("there", f"before {text} after")]) == ["it in there"], text
    assert told({"it": secret}, [("there", "nothing of the kind")]) == []
    assert all(len(form) > 8 for form in forms_of(secret))
