"""Addresses of the backups app."""

from __future__ import annotations

from django.urls import path

from backups import keeping_views, policy_views, publish_views, views

app_name = "backups"
urlpatterns = [
    path("accounts/<uuid:account>/sandbox/", views.sandbox_detail, name="sandbox_detail"),
    path(
        "accounts/<uuid:account>/sandbox/publish/",
        publish_views.sandbox_publish,
        name="sandbox_publish",
    ),
    path(
        "accounts/<uuid:account>/utility-servers/",
        views.utility_server_list,
        name="utility_server_list",
    ),
    path(
        "accounts/<uuid:account>/utility-servers/<uuid:resource>/",
        views.utility_server_detail,
        name="utility_server_detail",
    ),
    path(
        "accounts/<uuid:account>/resources/<uuid:resource>/backups/create/",
        views.backup_create,
        name="backup_create",
    ),
    path(
        "accounts/<uuid:account>/resources/<uuid:resource>/backups/settings/",
        policy_views.backup_policy_edit,
        name="backup_policy_edit",
    ),
    path(
        "accounts/<uuid:account>/backups/<uuid:backup>/restore/",
        views.backup_restore,
        name="backup_restore",
    ),
    path(
        "accounts/<uuid:account>/backups/<uuid:backup>/delete/",
        views.backup_delete,
        name="backup_delete",
    ),
    path(
        "accounts/<uuid:account>/backups/<uuid:backup>/pin/",
        keeping_views.backup_pin,
        name="backup_pin",
    ),
    path(
        "accounts/<uuid:account>/backups/<uuid:backup>/unpin/",
        keeping_views.backup_unpin,
        name="backup_unpin",
    ),
    path(
        "accounts/<uuid:account>/backups/<uuid:backup>/master-image/",
        keeping_views.backup_mark_master_image,
        name="backup_mark_master_image",
    ),
    path(
        "accounts/<uuid:account>/backups/<uuid:backup>/no-master-image/",
        keeping_views.backup_unmark_master_image,
        name="backup_unmark_master_image",
    ),
]
