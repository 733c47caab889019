"""The lab: emulated clouds that speak the real wire protocols, for demo and tests.

Imports no app and no model. README.md says what is served and what is assumed.
"""

from __future__ import annotations

from portal.lab.clock import Clock
from portal.lab.faults import Fault
from portal.lab.server import Lab, LabServer

__all__ = ["Clock", "Fault", "Lab", "LabServer"]
