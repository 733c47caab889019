"""People at their browsers, and a program at the API: each does one thing after the other."""

from __future__ import annotations

import random
import re
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass

import requests

from tests.soak.browser import Browser, Form, Page
from tests.soak.clock import Clock
from tests.soak.plan import Desk, dice
from tests.soak.traffic import Traffic
from tests.soak.world import PASSWORD, World

UUID = "[0-9a-f-]{36}"
PAGES = (
    "", "sandbox/", "utility-servers/", "volumes/", "volumes/backups/", "tasks/",
    "notifications/", "audit/", "session-trail/", "session-logs/", "reports/", "settings/",
    "settings/access/", "settings/api-keys/", "settings/alerts/", "disaster-recovery/",
    "settings/disaster-recovery/", "settings/disaster-recovery/reconciliation/", "machines/",
    "analytics/sessions/", "reports/print/",
)  # fmt: skip


class GaveUp(Exception):
    """Somebody found nothing to press; the next thing then."""


@dataclass
class Person:
    """Somebody with a browser, who may see these desks."""

    email: str
    browser: Browser
    desks: list[Desk]
    rng: random.Random

    def sign_in(self) -> None:
        page = self.browser.get("/sign-in/login/")
        form = next((form for form in page.forms() if form.has("login")), None)
        if form is None:
            raise GaveUp("signed in already, or no page")
        form.put("login", self.email)
        form.put("password", PASSWORD)
        self.browser.submit(form, page)

    def open(self, address: str) -> Page:
        """A page; who is signed out signs in first, as after a lost session."""
        page = self.browser.get(address)
        if "/sign-in/" in page.url:
            self.sign_in()
            page = self.browser.get(address)
        return page

    def account(self) -> str:
        return f"/accounts/{self.rng.choice(self.desks).id}/"

    def pick(self, page: Page, pattern: str) -> str:
        if not (found := page.links(pattern)):
            raise GaveUp(pattern)
        return self.rng.choice(found)

    def press(self, address: str, **given: str) -> Page:
        """Open a dialog, fill it in, send it; answer what came of it."""
        page = self.open(address)
        form = page.dialog()
        if form is None:
            raise GaveUp(f"no dialog at {address}")
        for name, value in given.items():
            form.put(name, value)
        return self.browser.submit(form, page)

    # What people do

    def look(self) -> None:
        page = self.open(self.account() + self.rng.choice(PAGES))
        more = page.links(f"/(tasks|volumes|session-logs|utility-servers)/{UUID}/$")
        if more and self.rng.random() < 0.5:
            self.open(self.rng.choice(more))

    def server(self, account: str) -> Page:
        if self.rng.random() < 0.4:
            return self.open(f"{account}sandbox/")
        page = self.open(f"{account}utility-servers/")
        return self.open(self.pick(page, f"utility-servers/{UUID}/$"))

    def back_up_server(self) -> None:
        page = self.server(self.account())
        answer = self.press(self.pick(page, "backups/create/"), name=self.title("By hand"))
        prompt = answer.dialog()
        if prompt is not None and prompt.has("may_power_off"):
            if self.rng.random() < 0.3:
                prompt.put("power", "keep")
            self.browser.submit(prompt, answer)

    def title(self, what: str) -> str:
        return f"{what} {self.rng.randrange(10**6)}"

    def of_server_backup(self, verb: str) -> Callable[[], None]:
        def act() -> None:
            page = self.server(self.account())
            self.press(self.pick(page, f"/backups/{UUID}/{verb}/"))

        return act

    def of_volume_backup(self, verb: str) -> Callable[[], None]:
        def act() -> None:
            page = self.open(f"{self.account()}volumes/backups/")
            menu = self.open(self.pick(page, f"backups/{UUID}/menu/"))
            self.press(self.pick(menu, f"/backups/{UUID}/{verb}/"), **self.source())

        return act

    def source(self) -> dict[str, str]:
        """Where a restore reads from, in a third of them: the replica, where there is one."""
        return {"from_replica": "yes"} if self.rng.random() < 0.3 else {}

    def pin(self) -> None:
        page = self.open(f"{self.account()}volumes/backups/")
        menu = self.open(self.pick(page, f"backups/{UUID}/menu/"))
        forms = [form for form in menu.forms() if form.action.endswith("/pin/")]
        if forms:
            self.browser.submit(forms[0], menu)

    def publish(self) -> None:
        page = self.open(f"{self.account()}sandbox/")
        self.press(self.pick(page, "sandbox/publish/"))

    def back_up_some(self) -> None:
        account = self.account()
        page = self.open(f"{account}volumes/")
        ids = list(dict.fromkeys(re.findall(rf'name="volume" value="({UUID})"', page.text)))
        if not ids:
            raise GaveUp("no volumes")
        chosen = self.rng.sample(ids, min(len(ids), self.rng.randrange(1, 6)))
        asked = "&".join(f"volume={pk}" for pk in chosen)
        self.press(f"{account}volumes/backups/create/?{asked}", name=self.title("Some"))

    def back_up_all(self) -> None:
        self.press(f"{self.account()}volumes/backups/all/", name=self.title("All"))

    def replicate_some(self) -> None:
        desks = [desk for desk in self.desks if desk.has_recovery]
        if not desks:
            raise GaveUp("no replication here")
        account = f"/accounts/{self.rng.choice(desks).id}/"
        page = self.open(f"{account}volumes/")
        ids = list(dict.fromkeys(re.findall(rf'name="volume" value="({UUID})"', page.text)))
        if not ids:
            raise GaveUp("no volumes")
        chosen = self.rng.sample(ids, min(len(ids), 3))
        self.press(f"{account}volumes/replicate/?" + "&".join(f"volume={pk}" for pk in chosen))

    def change_settings(self) -> None:
        """Numbers and times; nobody switches off what is counted upon at the end."""
        account = self.account()
        minute = self.rng.randrange(60)
        given = {"backup_time": f"{self.rng.randrange(24):02}:{minute:02}", "keep_manual": "9"}
        if self.rng.random() < 0.5:
            kind = self.rng.choice(("persistent_desktop", "enterprise_profile", "personal_drive"))
            page = self.open(f"{account}volumes/")
            address = self.pick(page, f"volumes/settings/.*{kind.split('_')[-1]}")
        else:
            address = self.pick(self.server(account), "backups/settings/")
        self.press(address, **given)

    def cancel(self) -> None:
        account = self.account()
        page = self.open(f"{account}tasks/")
        task = self.open(self.pick(page, f"/tasks/{UUID}/$"))
        self.press(self.pick(task, f"/tasks/{UUID}/cancel/"))

    def retry(self) -> None:
        page = self.open(f"{self.account()}tasks/")
        task = self.open(self.pick(page, f"/tasks/{UUID}/$"))
        self.press(self.pick(task, f"/tasks/{UUID}/retry/"))

    def dismiss(self) -> None:
        page = self.open(f"{self.account()}notifications/")
        self._submit_one(page, "/dismiss/")

    def _submit_one(self, page: Page, ending: str) -> None:
        forms: list[Form] = [each for each in page.forms() if each.action.endswith(ending)]
        if not forms:
            raise GaveUp(ending)
        self.browser.submit(self.rng.choice(forms), page)

    def check_recovery(self) -> None:
        page = self.open(f"{self.account()}settings/disaster-recovery/")
        self._submit_one(page, "/disaster-recovery/check/")

    def export(self) -> None:
        page = self.open(f"{self.account()}reports/")
        self.open(self.pick(page, "/csv/"))

    def reconcile(self) -> None:
        page = self.open(f"{self.account()}settings/disaster-recovery/reconciliation/")
        self._submit_one(page, "/reconciliation/start/")

    def acts(self) -> list[tuple[int, str, Callable[[], None]]]:
        """What somebody may do, each with how often."""
        found: list[tuple[int, str, Callable[[], None]]] = [(14, "look", self.look)]
        if self.email.startswith("auditor"):
            return found
        return [
            *found,
            (4, "back up a server", self.back_up_server),
            (2, "restore a server", self.of_server_backup("restore")),
            (2, "delete a server's backup", self.of_server_backup("delete")),
            (1, "replicate a server's backup", self.of_server_backup("replicate")),
            (1, "publish", self.publish),
            (4, "back up volumes", self.back_up_some),
            (3, "restore a volume", self.of_volume_backup("restore")),
            (2, "delete a volume's backup", self.of_volume_backup("delete")),
            (1, "replicate a volume's backup", self.of_volume_backup("replicate")),
            (1, "replicate volumes", self.replicate_some),
            (1, "pin", self.pin),
            (2, "change settings", self.change_settings),
            (2, "cancel", self.cancel),
            (1, "retry", self.retry),
            (1, "dismiss", self.dismiss),
            (1, "check recovery", self.check_recovery),
            (1, "reconcile", self.reconcile),
            (1, "export", self.export),
        ]


class Program:
    """A program with a key: reads lists, starts backups, each request sent twice."""

    def __init__(self, world: World, traffic: Traffic, rng: random.Random) -> None:
        self._base, self._traffic, self._rng, self._world = world.url, traffic, rng, world
        self._http = requests.Session()
        self._http.trust_env = False
        self._http.headers["Authorization"] = f"Bearer {world.token}"
        # What a repeated request answered that was not the first one's task.
        self.doubled: list[str] = []

    def act(self) -> None:
        desk = self._rng.choice(self._world.desks)
        base = f"{self._base}/api/v1/accounts/{desk.id}"
        listed = self._traffic.send(self._http, "GET", f"{base}/resources")
        if self._rng.random() < 0.5 or not listed.ok:
            self._traffic.send(self._http, "GET", f"{base}/backups")
            return
        resource = self._rng.choice(listed.json()["items"])["id"]
        name = uuid.UUID(int=self._rng.getrandbits(128)).hex
        answers = []
        for _ in range(2):
            answer = self._traffic.send(
                self._http, "POST", f"{base}/resources/{resource}/backups",
                json={"name": f"By program {name[:6]}", "may_power_off": True},
                headers={"Idempotency-Key": name},
            )  # fmt: skip
            if answer.status_code == 202:
                answers.append(answer.json()["id"])
        if len(set(answers)) > 1:
            self.doubled.append(name)


@dataclass
class Crowd:
    """All of them, each in a thread; ``tally`` counts what they did."""

    world: World
    clock: Clock
    traffic: Traffic
    tally: dict[str, int]

    def people(self) -> list[Person]:
        made = []
        for number, email in enumerate(self.world.people):
            mine = self.world.desks
            if email.startswith("account-admin"):
                mine = [self.world.desks[int(email[14])]]
            rng = dice(self.world.options, f"person {number}")
            made.append(Person(email, Browser(self.world.url, self.traffic), mine, rng))
        return made

    def threads(self) -> list[threading.Thread]:
        rng = dice(self.world.options, "program")
        program = Program(self.world, self.traffic, rng)
        self.program = program
        lives = [self._life(person.acts, person.rng) for person in self.people()]
        lives.append(self._life(lambda: [(1, "call the API", program.act)], rng))
        return [threading.Thread(target=life, daemon=True) for life in lives]

    def _life(
        self, acts: Callable[[], list[tuple[int, str, Callable[[], None]]]], rng: random.Random
    ) -> Callable[[], None]:
        weights, names, verbs = zip(*acts(), strict=True)

        def live() -> None:
            while not self.clock.ended.is_set():
                (index,) = rng.choices(range(len(verbs)), weights)
                try:
                    verbs[index]()
                    self._count(names[index])
                except GaveUp:
                    self._count(f"{names[index]}: nothing to press")
                except requests.RequestException:
                    # The traffic has noted it; a person waits, and tries something again.
                    self.clock.ended.wait(1)

        return live

    def _count(self, name: str) -> None:
        self.tally[name] = self.tally.get(name, 0) + 1
