"""Every click that changes something says who clicked, and from where (R163)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.addresses import APPS

ROOT = Path(__file__).resolve().parent.parent
# Dismissing is personal and changes nothing for anybody else (R162).
PERSONAL = {"notification_dismiss", "notification_dismiss_all"}


def _changing() -> Iterator[tuple[str, ast.FunctionDef, ast.Module]]:
    """Views that take a POST, each with its module."""
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            if "lab" in path.parts:
                continue  # an emulated cloud's own
            text = path.read_text()
            if "require_" not in text:
                continue
            module = ast.parse(text)
            for node in module.body:
                if isinstance(node, ast.FunctionDef) and _takes_post(node):
                    yield f"{path.relative_to(ROOT)}:{node.name}", node, module


def _takes_post(node: ast.FunctionDef) -> bool:
    said = [ast.unparse(decorator) for decorator in node.decorator_list]
    return any(each == "require_POST" or "'POST'" in each for each in said)


def _names_the_actor(node: ast.AST, module: ast.Module, seen: set[str]) -> bool:
    """Whether a function, or one of its module that it calls, says who acts."""
    if "Actor.of(" in ast.unparse(node):
        return True
    called = {each.id for each in ast.walk(node) if isinstance(each, ast.Name)} - seen
    helpers = [
        each for each in module.body if isinstance(each, ast.FunctionDef) and each.name in called
    ]
    return any(_names_the_actor(each, module, seen | called) for each in helpers)


VIEWS = list(_changing())


def test_there_are_such_views() -> None:
    names = {name.rpartition(":")[2] for name, _, _ in VIEWS}
    assert len(VIEWS) > 40
    assert {"backup_restore", "alert_edit", "account_edit", *PERSONAL} <= names


@pytest.mark.parametrize("view", VIEWS, ids=lambda view: str(view[0]))
def test_a_view_that_changes_something_says_who_acts(
    view: tuple[str, ast.FunctionDef, ast.Module],
) -> None:
    _, node, module = view
    if node.name in PERSONAL:
        return
    assert _names_the_actor(node, module, {node.name})
