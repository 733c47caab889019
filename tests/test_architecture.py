"""What keeps the building standing: the direction of imports, and an access mark on every view."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.__main__ import NO_DATABASE
from tests.addresses import Address, ours

ROOT = Path(__file__).resolve().parent.parent
# Each app may import those after it.
APPS = ("reporting", "disaster_recovery", "volumes", "backups", "portal")


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            yield node.module
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names)


def _imports_of(folder: str) -> Iterator[tuple[Path, str]]:
    for path in (ROOT / folder).rglob("*.py"):
        for module in _imported(path):
            yield path.relative_to(ROOT), module


@pytest.mark.parametrize("app", APPS)
def test_an_app_imports_only_what_is_below_it(app: str) -> None:
    above = APPS[: APPS.index(app)]
    wrong = [
        f"{path} imports {module}"
        for path, module in _imports_of(app)
        if module.partition(".")[0] in above
    ]
    assert not wrong


def test_the_lab_imports_nothing_of_the_product() -> None:
    wrong = [
        f"{path} imports {module}"
        for path, module in _imports_of("portal/lab")
        if module.startswith((*APPS, "django")) and not module.startswith("portal.lab")
    ]
    assert not wrong


def test_clouds_know_no_model_and_no_request() -> None:
    wrong = [
        f"{path} imports {module}"
        for path, module in _imports_of("portal/clouds")
        if module.startswith((*APPS, "django")) and not module.startswith("portal.clouds")
    ]
    assert not wrong


@pytest.mark.parametrize("place", NO_DATABASE)
def test_what_runs_on_one_database_only_touches_none(place: str) -> None:
    top = ROOT / place
    files = [top] if top.is_file() else list(top.rglob("*.py"))
    assert files
    for path in files:
        text = path.read_text()
        assert not re.search(r"django_db|\bdb: None|tests\.(factories|scene|people)\b", text), path


def test_only_its_driver_knows_the_sdk_of_azure() -> None:
    wrong = [
        f"{path} imports {module}"
        for app in APPS
        for path, module in _imports_of(app)
        if module.partition(".")[0] in ("azure", "msal")
        and not path.is_relative_to("portal/clouds/azure")
    ]
    assert not wrong


@pytest.mark.parametrize("address", ours(), ids=str)
def test_every_view_has_exactly_one_access_mark(address: Address) -> None:
    assert len(address.marks) == 1, f"{address} has the marks {address.marks}"
