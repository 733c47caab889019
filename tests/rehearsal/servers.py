"""The processes of a deployment, each started as its unit starts it."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from portal.lab.server import load_ca
from tests.rehearsal.network import HUB, on
from tests.rehearsal.visitor import NAME

ROOT = Path(__file__).resolve().parents[2]
DEPLOYMENT = ROOT / "portal" / "deployment"
PYTHON = sys.executable
STOP_SECONDS = 60
HAND_OVER = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); "
    "os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); "
    "os.execv(sys.argv[2], sys.argv[2:])"
)


class Running:
    """Processes, with logs of their own, that end with the rehearsal."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self.folder, self.environment = folder, environment
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str], *, fds: Sequence[int] = ()) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                command, cwd=ROOT, env=self.environment, stdin=subprocess.DEVNULL, stdout=log,
                stderr=subprocess.STDOUT, pass_fds=fds,
            )  # fmt: skip

    def stop(self, name: str) -> None:
        """SIGTERM to the main process alone (KillMode=mixed); it ends the rest in order."""
        process = self.processes.pop(name)
        process.terminate()
        if process.wait(STOP_SECONDS) not in (0, -signal.SIGTERM):
            raise AssertionError(f"{name} ended with {process.returncode}")

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text()

    def stop_all(self) -> None:
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def start_worker(running: Running, name: str) -> None:
    """As standby-worker@.service does, on a host of its own."""
    running.start(name, on(name, [PYTHON, "manage.py", "worker", "--grace", "20"]))


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """What standby-web.socket is: it outlives the web server."""
    with socket.socket(socket.AF_UNIX) as opened:
        opened.bind(str(path))
        path.chmod(0o666)
        opened.listen(512)
        yield opened


def start_web(running: Running, opened: socket.socket) -> None:
    """As standby-web.service does: systemd hands the socket over as the third file."""
    gunicorn = str(Path(PYTHON).with_name("gunicorn"))
    words = [gunicorn, "--config", "portal/deployment/gunicorn.py"]
    command = [PYTHON, "-c", HAND_OVER, str(opened.fileno()), *words]
    running.start("web", command, fds=[opened.fileno()])


def start_proxy(running: Running, web: Path) -> Path:
    """Debian's nginx with the example of a configuration; return the CA to trust."""
    folder = running.folder
    ca = load_ca(folder / "lab")
    leaf = ca.issue_cert(NAME)
    (folder / "key.pem").write_bytes(leaf.private_key_pem.bytes())
    chain = b"".join(each.bytes() for each in leaf.cert_chain_pems)
    (folder / "fullchain.pem").write_bytes(chain)
    text = (DEPLOYMENT / "nginx.conf").read_text()
    text = text.replace("/etc/standby/tls", str(folder)).replace("/run/standby-web.sock", str(web))
    # No IPv6 in these namespaces.
    text = re.sub(r"^ *listen \[::\].*\n", "", text, flags=re.MULTILINE)
    (folder / "nginx.conf").write_text(
        f"daemon off; pid {folder}/nginx.pid; user root; error_log stderr;\nevents {{}}\n"
        f"http {{ access_log off;\n{text}}}\n"
    )
    running.start("proxy", ["nginx", "-p", str(folder), "-c", "nginx.conf", "-e", "stderr"])
    return folder / "lab" / "ca.pem"


@contextmanager
def visitors(ca: Path, email: str, password: str, path: str) -> Iterator[subprocess.Popen[str]]:
    """People who read pages; the context's process answers a line with what they saw."""
    words = [PYTHON, "-m", "tests.rehearsal.visitor", HUB, str(ca), email, password, path]
    with subprocess.Popen(
        on("people", words), cwd=ROOT, env=dict(os.environ), text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        try:
            yield process
        finally:
            process.kill()
