"""How long an account's records are available (R142 to R156). Periods are rows, not code."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q


class DataType(models.TextChoices):
    """The kinds of records an account has, named as the table of data availability names them."""

    SESSION_REPORTS = "session_reports", "Session Reports"
    AUDIT_TRAIL = "audit_trail", "Audit Trail"
    SESSIONS = "sessions", "Sessions"
    TASKS = "tasks", "Tasks"
    USAGE = "usage", "Usage"
    USER_ACTIVITY = "user_activity", "User Activity"
    DISK_USAGE = "disk_usage", "Disk Usage"
    ELASTICITY = "elasticity", "Elasticity"
    NOTIFICATIONS = "notifications", "Notifications"
    SESSION_TRAIL = "session_trail", "Session Trail"
    SESSION_LOGS = "session_logs", "Session Logs"


MOST_MONTHS = 120
# Figures of a month are computed from Session Trail until the month after it is over.
FEWEST_MONTHS = {DataType.SESSION_TRAIL: 2}


class DataAvailability(models.Model):
    """One row of the table. A migration makes all eleven; staff change the period, no more.

    Starred, the period is what is promised, and nothing goes while the account lives (Q1).
    """

    data_type = models.CharField(primary_key=True, max_length=20, choices=DataType.choices)
    position = models.PositiveSmallIntegerField(unique=True, help_text="Place in the table.")
    months = models.PositiveSmallIntegerField(
        "period in months",
        null=True,
        blank=True,
        validators=[MinValueValidator(1), MaxValueValidator(MOST_MONTHS)],
        help_text=f"1 to {MOST_MONTHS}. Empty: no limit.",
    )
    is_starred = models.BooleanField(
        "starred", default=False, help_text="Stays until the account is terminated."
    )
    has_csv = models.BooleanField("downloadable CSV/Report", default=False)
    has_report = models.BooleanField(
        "Download Report", default=False, help_text="The download is a report to print."
    )
    has_api = models.BooleanField("Admin API", default=False)

    class Meta:
        verbose_name = "data availability"
        verbose_name_plural = "data availability"
        ordering = ("position",)
        constraints = (
            models.CheckConstraint(
                condition=Q(months=None) | Q(months__range=(1, MOST_MONTHS)),
                name="period_is_1_to_120_months",
            ),
        )

    def __str__(self) -> str:
        return self.get_data_type_display()

    def clean(self) -> None:
        """Refuse a period in which records would go before they are counted."""
        fewest = FEWEST_MONTHS.get(DataType(self.data_type), 1)
        if self.months is not None and self.months < fewest:
            said = (
                f"{self} needs at least {fewest} months: the figures of a month are computed from "
                "it until the month after has ended."
            )
            raise ValidationError({"months": said})

    @property
    def period(self) -> str:
        """As the table says it: ``24 Months``, ``No Limit``, with the star if there is one."""
        words = "No Limit"
        if self.months is not None:
            words = f"{self.months} Month{'s' if self.months > 1 else ''}"
        return f"{words} *" if self.is_starred else words
