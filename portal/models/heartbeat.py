"""Signs of life of the worker's runners, for /readyz and doctor."""

from __future__ import annotations

from django.db import models


class Heartbeat(models.Model):
    """When a runner last looked for work. One row a host, so that it does not grow."""

    host = models.CharField(max_length=100, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.host} at {self.at:%H:%M:%S}"
