"""python -m portal.lab: serve the emulated clouds until a signal ends it."""

from __future__ import annotations

import argparse
import signal
import sys
from pathlib import Path

from portal.lab import Lab, LabServer
from portal.lab.lab import AZURE, CLUSTERS
from portal.lab.prism.auth import PASSWORD, USER
from portal.lab.replication_ports import open_ports

DEFAULT_PORTS = (19440, 19441, 19443)
SITES = (*CLUSTERS, AZURE)
SIGNALS = {signal.SIGINT, signal.SIGTERM}


def main() -> int:
    """Run; return the exit code."""
    options = _parse()
    # Before any thread starts: a blocked signal waits for sigwait, whichever thread gets it.
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    make = Lab.empty if options.empty else Lab.demo
    lab = make(state_file=options.state)
    lab.clock.scale = options.scale
    ports = dict(zip(SITES, options.ports, strict=True))
    try:
        addresses = [cluster.identity.address for cluster in lab.clusters.values()]
        with (
            open_ports(addresses),
            LabServer(lab, ports, directory=options.directory) as server,
        ):
            places = ", ".join(f"{name} at {url}" for name, url in server.urls.items())
            print(
                f"The lab serves {places}; user {USER}, password {PASSWORD}, CA {server.ca_path}",
                flush=True,
            )
            signal.sigwait(SIGNALS)
    except OSError as error:
        print(f"The lab can not start: {error.strerror or error}", file=sys.stderr)
        return 1
    finally:
        lab.close()
    return 0


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m portal.lab",
        description="Serve two emulated Prism Element clusters and Azure over HTTPS on loopback.",
    )
    parser.add_argument(
        "--ports", type=_ports, default=DEFAULT_PORTS, metavar="LON,DUB,AZURE",
        help=f"ports of {', '.join(SITES)} (default: {','.join(map(str, DEFAULT_PORTS))})",
    )  # fmt: skip
    parser.add_argument(
        "--directory", type=Path, default=Path("var/lab"), metavar="FOLDER",
        help="where the CA is kept (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--state", type=Path, metavar="FILE",
        help="keep the state in this file; without it, a restart begins anew",
    )  # fmt: skip
    parser.add_argument(
        "--scale", type=float, default=1.0, metavar="X",
        help="seconds of lab time in a real second (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--empty", action="store_true",
        help="begin without machines and volumes (a kept state is not touched)",
    )  # fmt: skip
    return parser.parse_args()


def _ports(text: str) -> tuple[int, ...]:
    ports = tuple(int(part) for part in text.split(","))
    if len(ports) != len(SITES) or not all(0 <= port < 65536 for port in ports):
        raise ValueError(text)
    return ports


if __name__ == "__main__":
    sys.exit(main())
