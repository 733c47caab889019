"""A disk of its own for the database, small enough to be filled."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

MEBIBYTES = 512
MOUNT, UNMOUNT = (shutil.which(name) or name for name in ("mount", "umount"))


@dataclass(frozen=True)
class Disk:
    """A file system in memory, seen by this process and those it starts."""

    place: Path

    @classmethod
    @contextmanager
    def mounted(cls) -> Iterator[Disk]:
        """Mount one; it is gone at the end. Root only, in a mount namespace of its own."""
        with tempfile.TemporaryDirectory(prefix="standby-disk-") as folder:
            options = f"size={MEBIBYTES}m,mode=755"
            subprocess.run([MOUNT, "-t", "tmpfs", "-o", options, "standby", folder], check=True)
            try:
                yield cls(Path(folder))
            finally:
                subprocess.run([UNMOUNT, "--lazy", folder], check=True)

    @property
    def _filler(self) -> Path:
        return self.place / "filler"

    def fill(self) -> None:
        """Leave no byte free."""
        free = os.statvfs(self.place)
        with self._filler.open("ab") as file:
            size = free.f_bavail * free.f_frsize
            if size:
                os.posix_fallocate(file.fileno(), file.tell(), size)

    def make_room(self) -> None:
        self._filler.unlink()
