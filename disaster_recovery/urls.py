"""Addresses of the disaster recovery app."""

from __future__ import annotations

from django.urls import path

from disaster_recovery import page_views, reconciliation_views, replica_views, views

app_name = "disaster_recovery"
SETTINGS = "accounts/<uuid:account>/settings/disaster-recovery/"
RECONCILIATION = f"{SETTINGS}reconciliation/"
urlpatterns = [
    path(
        "accounts/<uuid:account>/disaster-recovery/",
        page_views.recovery_overview,
        name="recovery_overview",
    ),
    path(SETTINGS, views.recovery_settings, name="recovery_settings"),
    path(f"{SETTINGS}check/", views.recovery_check, name="recovery_check"),
    path(f"{SETTINGS}test/", views.recovery_test, name="recovery_test"),
    path(RECONCILIATION, reconciliation_views.reconciliation, name="reconciliation"),
    path(
        f"{RECONCILIATION}start/",
        reconciliation_views.reconciliation_start,
        name="reconciliation_start",
    ),
    path(
        f"{RECONCILIATION}<uuid:discrepancy>/<slug:verb>/",
        reconciliation_views.discrepancy_settle,
        name="discrepancy_settle",
    ),
    path(f"{SETTINGS}disable/", views.recovery_disable, name="recovery_disable"),
    path(
        "accounts/<uuid:account>/backups/<uuid:backup>/replicate/",
        replica_views.backup_replicate,
        name="backup_replicate",
    ),
    path(
        "accounts/<uuid:account>/volumes/replicate/",
        replica_views.volumes_replicate,
        name="volumes_replicate",
    ),
    path(
        "accounts/<uuid:account>/volumes/backups/<uuid:backup>/replicate/",
        replica_views.volume_backup_replicate,
        name="volume_backup_replicate",
    ),
]
