"""A lab in a process of its own, for benches: its CPU is not the product's.

``python -m tests.lab_host DESKTOPS DELAY OPERATION_SECONDS`` serves a cluster with so many
desktops. Each call is answered DELAY seconds after it came, each snapshot is there
OPERATION_SECONDS after it was asked for. Says where, as one line of JSON; then answers each line
it reads with the number of calls so far, until its input ends.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

from portal.lab import Fault, Lab, LabServer
from portal.lab.seed import LONDON

ALWAYS = 10**9


def main(desktops: int, delay: float, operation_seconds: float) -> None:
    """Serve until the input ends."""
    lab = Lab.empty()
    cluster = lab.clusters[LONDON]
    cluster.timing.domain_snapshot_seconds = operation_seconds
    made = [
        cluster.add_vm(
            f"pd-{number:04}",
            power="off",
            description=f"frame: kind=persistent-desktop user=user-{number}",
        )
        for number in range(desktops)
    ]
    with tempfile.TemporaryDirectory() as folder, LabServer(lab, directory=Path(folder)) as server:
        if delay:
            lab.faults.add(Fault("slow", delay=delay, count=ALWAYS))
        place = {
            "endpoint": server.urls[LONDON],
            "ca": server.ca_path.read_text(),
            "desktops": [vm.uuid for vm in made],
        }
        print(json.dumps(place), flush=True)
        for _ in sys.stdin:
            print(len(lab.calls), flush=True)
    lab.close()


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]))
