"""Emulated clouds that ship with Standby: two Prism Element clusters, over HTTPS on loopback.

The product reaches the lab exactly as it reaches a real cloud. The lab imports nothing of
the product. See README.md for what it serves and how faithful that is.
"""

from portal.lab.clock import Clock
from portal.lab.faults import Fault, Faults
from portal.lab.lab import Call, Lab
from portal.lab.prism import PrismCluster
from portal.lab.server import LabServer

__all__ = ["Call", "Clock", "Fault", "Faults", "Lab", "LabServer", "PrismCluster"]
