"""What is kept of an account's life once it is counted: figures of sessions, use, disks, pools.

Each table is one type of data availability. A task computes them (`reporting.figures`); pages,
files and the API only read. Periods of a day or a month are those of the account's time zone.
Each has an index on its time alone, by which the purge goes through all accounts at once.
"""

from __future__ import annotations

import uuid

from django.db import models

from portal.models import Account


class Frequency(models.TextChoices):
    """The length of the period that one row of figures is about."""

    HOUR = "hour", "Hour"
    DAY = "day", "Day"
    MONTH = "month", "Month"


class System(models.TextChoices):
    """What a session ran on: a machine of somebody's own, of the administrators', or a pool's."""

    SANDBOX = "sandbox", "Sandbox"
    UTILITY_SERVER = "utility_server", "Utility Server"
    PERSISTENT_DESKTOP = "persistent_desktop", "Persistent Desktop"
    POOL = "pool", "Pool"


class Periodic(models.Model):
    """A row of figures of one account about one period, which ends where the next begins."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    # Begins the index of each.
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    frequency = models.CharField(max_length=5, choices=Frequency.choices)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return f"{self.account} {self.get_frequency_display()} {self.period_start:%Y-%m-%d %H:%M}"


class SessionStatistic(Periodic):
    """Sessions that started in the period (R146), by what they ran on."""

    system = models.CharField(max_length=20, choices=System.choices)
    instance_type = models.CharField(max_length=100, blank=True)
    pool = models.CharField(max_length=100, blank=True)
    session_count = models.PositiveIntegerField(default=0)
    total_seconds = models.PositiveBigIntegerField(default=0)
    # Of those that told one.
    distance_count = models.PositiveIntegerField(default=0)
    distance_km = models.FloatField(default=0, help_text="The sum of all.")
    unique_users = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=[
                    "account", "frequency", "period_start", "system", "instance_type", "pool",
                ],
                name="session_statistic_once",
            ),
        )  # fmt: skip
        indexes = (models.Index(fields=["period_end"], name="session_statistic_by_age"),)


class UsageStatistic(Periodic):
    """How long machines were in session within the period (R148), by what they are."""

    system = models.CharField(max_length=20, choices=System.choices)
    instance_type = models.CharField(max_length=100, blank=True)
    pool = models.CharField(max_length=100, blank=True)
    used_seconds = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=[
                    "account", "frequency", "period_start", "system", "instance_type", "pool",
                ],
                name="usage_statistic_once",
            ),
        )  # fmt: skip
        indexes = (models.Index(fields=["period_end"], name="usage_statistic_by_age"),)


class DiskStatistic(Periodic):
    """How much the volumes of a kind took in the period (R150); never of an hour: once a day
    they are looked at."""

    volume_type = models.CharField(max_length=20)
    volume_count = models.PositiveIntegerField(default=0)
    size_bytes = models.PositiveBigIntegerField(default=0, help_text="At the period's last look.")
    gb_hours = models.FloatField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "frequency", "period_start", "volume_type"],
                name="disk_statistic_once",
            ),
        )
        indexes = (models.Index(fields=["period_end"], name="disk_statistic_by_age"),)


class DiskSample(models.Model):
    """The size of one volume on one day, as the inventory had it. It outlives the volume."""

    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    resource_id = models.UUIDField()
    day = models.DateField(help_text="Of the account's time zone.")
    volume_type = models.CharField(max_length=20)
    name = models.CharField(max_length=255)
    user_name = models.CharField(max_length=150, blank=True)
    size_bytes = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "day", "resource_id"], name="disk_sample_once"
            ),
        )
        indexes = (models.Index(fields=["day"], name="disk_sample_by_age"),)

    def __str__(self) -> str:
        return f"{self.name} {self.day}"


class UserActivity(models.Model):
    """What one user did on one day (R149); reports add the days up."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    user_name = models.CharField(max_length=150)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    email = models.CharField(max_length=254, blank=True)
    identity_provider = models.CharField(max_length=100, blank=True)
    first_seen_at = models.DateTimeField()
    last_seen_at = models.DateTimeField()
    # Those that started on the day; the seconds are of all that was within it.
    session_count = models.PositiveIntegerField(default=0)
    used_seconds = models.PositiveBigIntegerField(default=0)
    last_instance_type = models.CharField(max_length=100, blank=True)

    class Meta:
        verbose_name_plural = "user activity"
        constraints = (
            models.UniqueConstraint(
                fields=["account", "period_start", "user_name"], name="user_activity_once"
            ),
        )
        indexes = (
            models.Index(fields=["account", "user_name", "period_start"], name="activity_of_user"),
            models.Index(fields=["period_end"], name="activity_by_age"),
        )

    def __str__(self) -> str:
        return f"{self.user_name} {self.period_start:%Y-%m-%d}"


class ElasticitySample(models.Model):
    """How many machines a pool had at a moment, and how they stood (R151).

    What the session broker tells of a pool's settings is there where it tells it.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    at = models.DateTimeField()
    pool = models.CharField(max_length=100, blank=True)
    instance_type = models.CharField(max_length=100, blank=True)
    min_servers = models.PositiveIntegerField(null=True)
    buffer_servers = models.PositiveIntegerField(null=True)
    max_servers = models.PositiveIntegerField(null=True)
    running = models.PositiveIntegerField(default=0)
    in_session = models.PositiveIntegerField(default=0)
    available = models.PositiveIntegerField(default=0)
    starting = models.PositiveIntegerField(default=0)
    stopped = models.PositiveIntegerField(default=0)
    waiting_users = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = (
            models.UniqueConstraint(
                fields=["account", "at", "pool", "instance_type"], name="elasticity_sample_once"
            ),
        )
        indexes = (models.Index(fields=["at"], name="elasticity_sample_by_age"),)

    def __str__(self) -> str:
        return f"{self.pool or 'Servers'} {self.at:%Y-%m-%d %H:%M}"


class SessionReport(models.Model):
    """A month of an account in one row (R144): totals, which stay without limit."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    account = models.ForeignKey(Account, models.CASCADE, related_name="+", db_index=False)
    period_start = models.DateTimeField()
    period_end = models.DateTimeField()
    month = models.CharField(max_length=7, help_text="As 2025-11, in the account's time zone.")
    unique_users = models.PositiveIntegerField(default=0)
    session_count = models.PositiveIntegerField(default=0)
    used_seconds = models.PositiveBigIntegerField(default=0)
    # Of the sessions that started in the month, however long after it they lasted.
    total_seconds = models.PositiveBigIntegerField(default=0)
    peak_concurrent = models.PositiveIntegerField(default=0)
    peak_at = models.DateTimeField(null=True)
    first_session_at = models.DateTimeField(null=True)
    last_session_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.UniqueConstraint(fields=["account", "period_start"], name="session_report_once"),
        )
        indexes = (models.Index(fields=["period_end"], name="session_report_by_age"),)

    def __str__(self) -> str:
        return f"{self.account} {self.period_start:%Y-%m}"

    @property
    def total_hours(self) -> float:
        return self.used_seconds / 3600

    @property
    def average_minutes(self) -> float:
        """The mean length of a session; zero without any."""
        return self.total_seconds / self.session_count / 60 if self.session_count else 0


class Counted(models.Model):
    """Up to when an account's sessions are counted into the figures."""

    account = models.OneToOneField(Account, models.CASCADE, primary_key=True, related_name="+")
    sessions_until = models.DateTimeField(
        null=True, help_text="Sessions that have changed since are counted again."
    )
    # Days and months are of this zone; when the account's is another, they are counted again.
    time_zone = models.CharField(max_length=64, blank=True)
    # When a task was last started that counts.
    begun_at = models.DateTimeField(null=True)
    # Sessions that ended earlier are gone, or may be: written by what purges them, in the same
    # transaction. A longer period, set later, brings none of them back.
    purged_until = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"{self.account} until {self.sessions_until}"
