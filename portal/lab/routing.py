"""Requests, answers, refusals, and a table of routes that costs the same however long it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Site = TypeVar("Site")


class Refusal(Exception):
    """The cloud says no. ``status`` is the one of the 4xx dialect."""

    def __init__(self, message: str, status: int = 422, code: int = 1202) -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class NotReady(Exception):
    """Ask the handler again shortly: a call that waits for something (``tasks/poll``)."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call. ``path`` is what follows the API's base; ``at`` is when it came, in microseconds."""

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    params: Mapping[str, str] = field(default_factory=dict)
    at: int = 0

    def __getitem__(self, name: str) -> str:
        """Return a part of the path."""
        return self.params[name]

    def flag(self, name: str, default: bool = False) -> bool:
        """Return a boolean of the query; clients send True, true and 1."""
        given = self.query.get(name)
        return default if given is None else given.lower() in ("true", "1")

    def number(self, name: str, default: int) -> int:
        """Return a whole number of the query; what cannot be read is the default."""
        given = self.query.get(name, "")
        return int(given) if given.isdecimal() else default

    def names(self, name: str) -> list[str]:
        """Return a comma-separated list of the query."""
        return [entry for entry in self.query.get(name, "").split(",") if entry]

    @property
    def object(self) -> dict[str, Any]:
        """The body, which must be a JSON object; none at all counts as an empty one."""
        if self.body is None:
            return {}
        if not isinstance(self.body, dict):
            raise Refusal("The request body is not a JSON object", 400)
        return self.body

    def text(self, name: str) -> str:
        """Return a string of the body that must be there."""
        given = self.object.get(name)
        if not isinstance(given, str) or not given:
            raise Refusal(f"The field {name} is required", 400)
        return given

    def items(self, name: str) -> list[dict[str, Any]]:
        """Return a list of objects of the body that must not be empty."""
        given = self.object.get(name)
        if not isinstance(given, list) or not given:
            raise Refusal(f"The list {name} is required", 400)
        if not all(isinstance(item, dict) for item in given):
            raise Refusal(f"The list {name} must hold objects", 400)
        return given


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back; a body of None is an empty one."""

    body: Any = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


Handler = Callable[[Site, Request], Answer]


class _Node(Generic[Site]):
    __slots__ = ("fixed", "handlers", "wild")

    def __init__(self) -> None:
        self.fixed: dict[str, _Node[Site]] = {}
        self.wild: _Node[Site] | None = None
        self.handlers: dict[str, tuple[Handler[Site], list[str]]] = {}


class Routes(Generic[Site]):
    """A tree of path segments; ``{name}`` takes any one segment, where no fixed one fits."""

    def __init__(self) -> None:
        self._root: _Node[Site] = _Node()
        self.listed: list[tuple[str, str]] = []

    def __call__(self, method: str, path: str) -> Callable[[Handler[Site]], Handler[Site]]:
        """Register a handler, as a decorator."""

        def register(handler: Handler[Site]) -> Handler[Site]:
            names: list[str] = []
            node = self._root
            for segment in filter(None, path.split("/")):
                if segment.startswith("{"):
                    names.append(segment.strip("{}"))
                    node.wild = node.wild or _Node()
                    node = node.wild
                else:
                    node = node.fixed.setdefault(segment, _Node())
            node.handlers[method] = (handler, names)
            self.listed.append((method, path))
            return handler

        return register

    def find(
        self, method: str, segments: list[str], given: list[str] | None = None
    ) -> tuple[Handler[Site], dict[str, str]]:
        """Return the handler and the parts of the path; `Refusal` 404 or 405 without one.

        Where casing does not count, ``segments`` are folded and ``given`` are as they came.
        """
        node = self._root
        taken: list[str] = []
        for segment, value in zip(segments, given or segments, strict=True):
            following = node.fixed.get(segment)
            if following is None:
                following = node.wild
                taken.append(value)
            if following is None:
                break
            node = following
        else:
            if method in node.handlers:
                handler, names = node.handlers[method]
                return handler, dict(zip(names, taken, strict=True))
            if node.handlers:
                raise Refusal(f"{method} is not allowed here", 405)
        raise Refusal(f"No such resource: /{'/'.join(segments)}", 404)
