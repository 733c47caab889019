"""JSON Schemas derived from the installed SDK's own models (reference 10).

Required keys, types, closed objects, the values of enums, and the keys that only the cloud may
set. The SDK itself takes any answer, so that it read one proves nothing (reference 6.4).
"""

from __future__ import annotations

import datetime
import enum
import types
import typing
from collections.abc import Iterator
from functools import cache
from typing import Any, Literal, Union

from azure.mgmt.compute import models
from azure.mgmt.compute.models import _models
from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

Schema = dict[str, Any]

# What every model of the SDK is made from; it has no public name.
MODEL = models.Resource.__mro__[1]
# Azure no longer extends this one: most sizes of today are not in it.
OPEN_ENUMS = {models.VirtualMachineSizeTypes}
TIME = r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,7})?(Z|[+-]\d\d:\d\d)$"
_PLAIN: dict[Any, Schema] = {
    str: {"type": "string"},
    bytes: {"type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    datetime.datetime: {"type": "string", "pattern": TIME},
    Any: {},
}


class Deriver:
    """Collects the schemas of models, for answers or for requests."""

    def __init__(self, *, for_requests: bool = False) -> None:
        self.definitions: dict[str, Schema] = {}
        self._for_requests = for_requests

    def reference(self, model: Any) -> Schema:
        """Return a reference to a model's schema, which is derived the first time."""
        name = model.__name__
        if name not in self.definitions:
            self.definitions[name] = {}  # its place: a model may hold itself
            self.definitions[name] = self._object(model)
        return {"$ref": f"#/$defs/{name}"}

    def _object(self, model: Any) -> Schema:
        properties: dict[str, Schema] = {}
        required = []
        for name, kind, is_read_only in fields_of(model):
            is_optional = type(None) in typing.get_args(kind)
            if self._for_requests and is_read_only:
                properties[name] = {"not": {}}
                continue
            properties[name] = self._of(kind)
            if not is_optional:
                required.append(name)
        return {
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }

    def _of(self, kind: Any) -> Schema:
        """Return the schema of an annotation; `TypeError` for one that is new to us."""
        if kind in _PLAIN:
            return _PLAIN[kind]
        origin, inner = typing.get_origin(kind), typing.get_args(kind)
        if origin in (Union, types.UnionType):
            return self._one_of([each for each in inner if each is not type(None)])
        if origin is Literal:
            return {"enum": [getattr(each, "value", each) for each in inner]}
        if origin is list:
            return {"type": "array", "items": self._of(inner[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self._of(inner[1])}
        if isinstance(kind, type) and issubclass(kind, MODEL):
            return self.reference(kind)
        raise TypeError(f"no schema for {kind!r}")

    def _one_of(self, kinds: list[Any]) -> Schema:
        """An enum is annotated as itself or text: here only its values are good."""
        enums = [k for k in kinds if isinstance(k, type) and issubclass(k, enum.Enum)]
        if not enums:
            (kind,) = kinds
            return self._of(kind)
        if OPEN_ENUMS.intersection(enums):
            return {"type": "string"}
        return {"enum": [member.value for each in enums for member in each]}


@cache
def fields_of(model: Any) -> list[tuple[str, Any, bool]]:
    """Return the keys of a model on the wire, their types, and whether only the cloud sets them."""
    model({})  # the SDK learns the names on the wire with the first of a kind
    names = vars(_models) | {"_models": models}
    hints: dict[str, Any] = {}
    for base in reversed(model.__mro__):
        if base.__module__ == _models.__name__:
            hints |= typing.get_type_hints(base, globalns=names)
    fields = model._attr_to_rest_field.items()
    return [(f._rest_name, hints[attribute], f._visibility == ["read"]) for attribute, f in fields]


def validator(schema: Schema, definitions: dict[str, Schema]) -> Draft202012Validator:
    """Return what checks against a schema that may refer to definitions."""
    return Draft202012Validator({"$defs": definitions, **schema})


def complaints(check: Draft202012Validator, given: Any) -> Iterator[str]:
    """Say where something is not as it should be, and why."""
    for error in check.iter_errors(given):
        yield from _in_words(error)


def _in_words(error: ValidationError) -> Iterator[str]:
    if error.context:
        for each in error.context:
            yield from _in_words(each)
        return
    said = "only the cloud sets this" if error.validator == "not" else error.message
    yield f"{error.json_path}: {said}"
