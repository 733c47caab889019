"""A network of the rehearsal's own: a hub and hosts around it, each a network namespace."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

NETWORK = "10.77.0.0/24"
HUB = "10.77.0.1"
HOSTS = {"worker-a": "10.77.0.11", "worker-b": "10.77.0.12", "people": "10.77.0.21"}
# Which rehearsal of this machine it is.
IP = shutil.which("ip") or "ip"
_RUN = os.environ.setdefault("STANDBY_REHEARSAL", str(os.getpid()))


def why_not() -> str:
    """What is missing to make namespaces, in a sentence; "" when nothing is."""
    if os.geteuid() != 0:
        return "Only root makes network namespaces."
    missing = [name for name in ("ip", "unshare", "nginx") if shutil.which(name) is None]
    if missing:
        return f"Not on this machine: {', '.join(missing)} (apt-get install iproute2 nginx-light)."
    done = subprocess.run([IP, "netns", "add", _name("try")], capture_output=True, check=False)
    if done.returncode != 0:
        return f"No network namespace can be made: {done.stderr.decode().strip()}"
    _ip("netns", "del", _name("try"))
    return ""


@contextmanager
def network() -> Iterator[None]:
    """Make the hub, with a bridge, and hosts, each with a cable to it; remove them at the end."""
    names = ["hub", *HOSTS]
    try:
        for name in names:
            _ip("netns", "add", _name(name))
        _ip("-n", _name("hub"), "link", "add", "bridge", "type", "bridge")
        _ip("-n", _name("hub"), "address", "add", f"{HUB}/24", "dev", "bridge")
        for device in ("lo", "bridge"):
            _ip("-n", _name("hub"), "link", "set", device, "up")
        for name, address in HOSTS.items():
            _plug_in(name, address)
        yield
    finally:
        for name in names:
            _end_all_on(name)
            subprocess.run([IP, "netns", "del", _name(name)], capture_output=True, check=False)


def _end_all_on(name: str) -> None:
    """Kill what has been left on a host; it would keep the namespace alive."""
    listed = subprocess.run([IP, "netns", "pids", _name(name)], capture_output=True, check=False)
    for pid in map(int, listed.stdout.split()):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _plug_in(name: str, address: str) -> None:
    host, hub = _name(name), _name("hub")
    _ip("-n", hub, "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", host)
    _ip("-n", hub, "link", "set", name, "master", "bridge", "up")
    _ip("-n", host, "address", "add", f"{address}/24", "dev", "eth0")
    for device in ("lo", "eth0"):
        _ip("-n", host, "link", "set", device, "up")


def cut(name: str) -> None:
    """Pull a host's cable; nobody is told, packets are lost."""
    _ip("-n", _name("hub"), "link", "set", name, "nomaster")


def mend(name: str) -> None:
    """Put the cable back."""
    _ip("-n", _name("hub"), "link", "set", name, "master", "bridge")


def on(name: str, command: Sequence[str]) -> list[str]:
    """The words that run a command on a host, under the host's own name."""
    inside = ["unshare", "--uts", "sh", "-c", 'hostname "$0"; exec "$@"', name]
    return [IP, "netns", "exec", _name(name), *inside, *command]


def _name(name: str) -> str:
    return f"standby-{_RUN}-{name}"


def _ip(*words: str) -> None:
    subprocess.run([IP, *words], check=True, stdin=subprocess.DEVNULL)
