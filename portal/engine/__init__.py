"""Durable workflows over Task. Knows nothing of backups. README.md has the promises.

Apps use: `start`, `cancel`, `after`, `register`, and the parts of `workflow`.
"""

from __future__ import annotations

from portal.engine.requests import Busy, acknowledge, cancel, start, start_for_each, stop_all
from portal.engine.workflow import Again, Job, Later, Save, Step, Workflow, registry

register = registry.register
after = registry.after

__all__ = [
    "Again",
    "Busy",
    "Job",
    "Later",
    "Save",
    "Step",
    "Workflow",
    "acknowledge",
    "after",
    "cancel",
    "register",
    "registry",
    "start",
    "start_for_each",
    "stop_all",
]
