"""Schemas of what the compute SDK has no model for: operations, tokens, and other providers.

Written by hand after the reference (3.1, 4, 7.7, 8) as closed objects.
"""

from __future__ import annotations

from tests.lab.azure.schemas import TIME, Schema

TEXT: Schema = {"type": "string", "minLength": 1}
HTTPS: Schema = {"type": "string", "pattern": "^https://"}
TAGS: Schema = {"type": "object", "additionalProperties": {"type": "string"}}
UUID: Schema = {"type": "string", "pattern": "^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"}


def closed(required: dict[str, Schema], **optional: Schema) -> Schema:
    """Return an object with these keys and no others."""
    return {
        "type": "object",
        "properties": required | optional,
        "required": list(required),
        "additionalProperties": False,
    }


def array(items: Schema) -> Schema:
    """Return a list of something."""
    return {"type": "array", "items": items}


def page(items: Schema) -> Schema:
    """Return one page of a list."""
    return closed({"value": array(items)}, nextLink=HTTPS)


def resource_type(*names: str) -> Schema:
    """Return the type of a resource, in the casing of the documentation."""
    return {"enum": list(names)}


def operation(output: Schema, error: Schema) -> Schema:
    """Return the record of an operation: how it ended, and only once it has ended."""
    head = {"startTime": {"pattern": TIME}, "name": UUID}
    return {"oneOf": [
        closed({**head, "status": {"const": "InProgress"}}),
        closed(
            {**head, "status": {"const": "Succeeded"}, "endTime": {"pattern": TIME}},
            properties=closed({"output": output}),
        ),
        closed({
            **head, "status": {"enum": ["Failed", "Canceled"]}, "endTime": {"pattern": TIME},
            "error": error,
        }),
    ]}  # fmt: skip


SUBSCRIPTION = closed(
    {
        "id": TEXT,
        "subscriptionId": UUID,
        "displayName": TEXT,
        "state": {"enum": ["Enabled", "Warned", "PastDue", "Disabled", "Deleted"]},
    },
    tenantId=UUID,
    authorizationSource=TEXT,
    tags=TAGS,
    managedByTenants=array(closed({"tenantId": UUID})),
    subscriptionPolicies=closed({}, locationPlacementId=TEXT, quotaId=TEXT, spendingLimit=TEXT),
)
TENANT = closed({"id": TEXT, "tenantId": UUID}, displayName=TEXT, tenantCategory=TEXT)
LOCATION = closed(
    {"id": TEXT, "name": TEXT, "displayName": TEXT, "regionalDisplayName": TEXT},
    type={"const": "Region"},
    metadata={"type": "object"},
)
PROVIDER = closed(
    {
        "id": TEXT,
        "namespace": TEXT,
        "registrationState": {
            "enum": ["Registered", "NotRegistered", "Registering", "Unregistering"]
        },
        "resourceTypes": array({"type": "object"}),
    },
    registrationPolicy=TEXT,
)
GROUP = closed(
    {
        "id": TEXT,
        "name": TEXT,
        "type": resource_type("Microsoft.Resources/resourceGroups"),
        "location": TEXT,
        "properties": closed({"provisioningState": TEXT}),
    },
    tags=TAGS,
    managedBy=TEXT,
)
GENERIC = closed(
    {"id": TEXT, "name": TEXT, "type": TEXT, "location": TEXT},
    tags=TAGS,
    zones=array(TEXT),
    sku={"type": "object"},
    managedBy=TEXT,
)
PERMISSION = closed({
    "actions": array(TEXT),
    "notActions": array(TEXT),
    "dataActions": array(TEXT),
    "notDataActions": array(TEXT),
})  # fmt: skip
LOCK = closed({
    "id": TEXT,
    "name": TEXT,
    "type": resource_type("Microsoft.Authorization/locks"),
    "properties": closed(
        {"level": {"enum": ["CanNotDelete", "ReadOnly", "NotSpecified"]}},
        notes=TEXT,
    ),
})  # fmt: skip
_REFERENCE = closed({"id": TEXT})
NIC = closed(
    {
        "id": TEXT,
        "name": TEXT,
        "type": resource_type("Microsoft.Network/networkInterfaces"),
        "location": TEXT,
        "properties": closed(
            {"provisioningState": TEXT, "ipConfigurations": array({"type": "object"})},
            virtualMachine=_REFERENCE,
            primary={"type": "boolean"},
            networkSecurityGroup=_REFERENCE,
            macAddress=TEXT,
        ),
    },
    tags=TAGS,
    etag=TEXT,
)
DISCOVERY = closed(
    {"token_endpoint": HTTPS, "authorization_endpoint": HTTPS, "issuer": HTTPS}, jwks_uri=HTTPS
)
TOKEN = closed({
    "token_type": {"const": "Bearer"},
    "expires_in": {"type": "integer"},
    "ext_expires_in": {"type": "integer"},
    "access_token": TEXT,
})  # fmt: skip
TOKEN_ERROR = closed(
    {
        "error": TEXT,
        "error_description": {"type": "string", "pattern": "^AADSTS[0-9]+: "},
        "error_codes": array({"type": "integer"}),
    },
    timestamp=TEXT,
    trace_id=TEXT,
    correlation_id=TEXT,
    error_uri=TEXT,
)
