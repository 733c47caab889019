"""A program that calls the API, for its tests."""

from __future__ import annotations

import json
from typing import Any

from django.test import Client

from portal.audit import SYSTEM
from reporting import api_keys
from reporting.models import ApiKey

BASE = "/api/v1"


class Program:
    """One key, and what is answered to it."""

    def __init__(self, scope: api_keys.Scope, role: str, name: str = "Program") -> None:
        self.key, token = api_keys.create(SYSTEM, scope, name=name, role=role)
        self.headers = {"Authorization": f"Bearer {token}"}
        self.client = Client(enforce_csrf_checks=True)

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(f"{BASE}{path}", query, headers=self.headers)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        text = body if isinstance(body, str) else json.dumps(body)
        return self.client.post(
            f"{BASE}{path}", text, content_type="application/json", headers=self.headers | headers
        )

    def names(self, path: str, **query: Any) -> list[str]:
        """Names of the rows of a list that must be there."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.content
        return [each["name"] for each in answer.json()["items"]]

    def used_up(self) -> None:
        """As it stands after as many requests as may be made in this minute, and in the next."""
        ApiKey.objects.filter(pk=self.key.pk).update(rate_count=10**6)


def assert_problem(answer: Any, status: int, *words: str) -> dict[str, Any]:
    """The answer is a refusal of that status, in the one shape, and says these words."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"].startswith("application/json")
    body: dict[str, Any] = answer.json()
    assert set(body) == {"status", "message", "fields"}
    assert body["status"] == status
    for word in words:
        assert word in json.dumps(body, ensure_ascii=False), body
    return body
