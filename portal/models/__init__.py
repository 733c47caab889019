"""The ground floor's tables, by concern."""

from portal.models.audit import AuditEntry
from portal.models.clouds import CloudAccount, DiscoveredServer, InstanceType
from portal.models.heartbeat import Heartbeat
from portal.models.notifications import Dismissal, Notification
from portal.models.resources import Resource, ResourceWord
from portal.models.sign_in import ExternalIdentity, GroupMapping, UserSession
from portal.models.tasks import Task
from portal.models.tenancy import (
    Account,
    Customer,
    Infrastructure,
    Invitation,
    Organization,
    Role,
    RoleGrant,
    User,
)

__all__ = [
    "Account",
    "AuditEntry",
    "CloudAccount",
    "Customer",
    "DiscoveredServer",
    "Dismissal",
    "ExternalIdentity",
    "GroupMapping",
    "Heartbeat",
    "Infrastructure",
    "InstanceType",
    "Invitation",
    "Notification",
    "Organization",
    "Resource",
    "ResourceWord",
    "Role",
    "RoleGrant",
    "Task",
    "User",
    "UserSession",
]
