"""`manage.py demo` as real processes: it refuses plainly, ends in order, leaves nothing over."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil
import pytest
import requests

from portal.processes.demo import CannotRun, demo_environment, port_of
from tests.processes.test_group import ended_within

ROOT = Path(__file__).resolve().parents[2]


def free_ports(count: int) -> list[int]:
    """Return ports that were free a moment ago."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    web, *lab = map(str, free_ports(4))
    return os.environ | {
        "STANDBY_DATA_DIR": str(tmp_path / "var"),
        "STANDBY_LAB_PORTS": ",".join(lab),
        "PORT": web,
        # What a careless shell may hold: the demo must not go near it.
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/production",
    }


@contextmanager
def demo(environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """Start the demo, wait until it says that it serves; kill it if the test has not ended it."""
    with subprocess.Popen(
        [sys.executable, "manage.py", "demo"],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            said = read_until(process.stdout, "Ctrl-C")
            assert f"http://127.0.0.1:{environment['PORT']}/" in said, said
            yield process
        finally:
            process.kill()


def read_until(output: IO[str], word: str) -> str:
    """Return what was said up to the line with the word, or to the end."""
    said = ""
    for line in output:
        said += line
        if word in line:
            break
    return said


def refusal(environment: dict[str, str]) -> str:
    """Run a demo that cannot start; return its last line."""
    done = subprocess.run(
        [sys.executable, "manage.py", "demo"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr.splitlines()[-1]


def test_the_demo_keeps_its_data_and_ends_without_orphans(environment: dict[str, str]) -> None:
    for how in (signal.SIGTERM, signal.SIGINT):
        with demo(environment) as process:
            url = f"http://127.0.0.1:{environment['PORT']}/sign-in/login/"
            answer = requests.get(url, timeout=10)
            assert answer.status_code == 200
            family = psutil.Process(process.pid).children(recursive=True)
            process.send_signal(how)
            assert process.wait(timeout=15) == 0
            assert ended_within(5, family)
    assert (Path(environment["STANDBY_DATA_DIR"]) / "standby.sqlite3").exists()


def test_a_killed_demo_leaves_no_process_behind(environment: dict[str, str]) -> None:
    with demo(environment) as process:
        family = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.wait()
        assert ended_within(5, family)


def test_a_port_in_use_is_refused_in_a_sentence(environment: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", int(environment["PORT"]))):
        assert refusal(environment) == (
            f"Port {environment['PORT']} is in use by another program. "
            f"Stop it, or choose another port: make run PORT={int(environment['PORT']) + 1}"
        )


def test_a_second_demo_is_refused_in_a_sentence(environment: dict[str, str]) -> None:
    lab = int(environment["STANDBY_LAB_PORTS"].split(",")[1])
    with socket.create_server(("127.0.0.1", lab)):
        assert "Stop the demo that is running, or give this one other ports" in refusal(environment)


@pytest.mark.parametrize("port", ["0", "65536", "http", "-1", "8000 "])
def test_an_impossible_port_is_refused_in_a_sentence(port: str) -> None:
    with pytest.raises(CannotRun, match="PORT must be a number between 1 and 65535, not "):
        port_of({"PORT": port})


def test_the_port_is_8000_unless_told_otherwise() -> None:
    assert port_of({}) == port_of({"PORT": ""}) == 8000
    assert port_of({"PORT": "8001"}) == 8001


def test_nothing_of_a_deployment_reaches_the_demo() -> None:
    shell = {"PATH": "/bin", "DATABASE_URL": "postgres://production", "SECRET_KEY": "theirs"}
    assert demo_environment(shell).keys().isdisjoint({"DATABASE_URL", "SECRET_KEY"})
    assert demo_environment(shell)["PATH"] == "/bin"
