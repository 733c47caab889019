"""Addresses of the volumes app."""

from __future__ import annotations

from django.urls import path

from volumes import backup_views, bulk_views, policy_views, volume_views

app_name = "volumes"
VOLUMES = "accounts/<uuid:account>/volumes/"
BACKUP = f"{VOLUMES}backups/<uuid:backup>/"
urlpatterns = [
    path(VOLUMES, volume_views.volume_list, name="volume_list"),
    path(f"{VOLUMES}backups/", backup_views.volume_backup_list, name="volume_backup_list"),
    path(f"{BACKUP}menu/", backup_views.volume_backup_menu, name="volume_backup_menu"),
    path(f"{BACKUP}restore/", backup_views.volume_backup_restore, name="volume_backup_restore"),
    path(f"{BACKUP}delete/", backup_views.volume_backup_delete, name="volume_backup_delete"),
    path(f"{BACKUP}pin/", backup_views.volume_backup_pin, name="volume_backup_pin"),
    path(
        f"{VOLUMES}settings/<slug:kind>/",
        policy_views.volume_policy_edit,
        name="volume_policy_edit",
    ),
    path(
        f"{VOLUMES}backups/create/",
        bulk_views.volume_backup_create,
        name="volume_backup_create",
    ),
    path(f"{VOLUMES}backups/all/", bulk_views.volume_backup_all, name="volume_backup_all"),
    path(f"{VOLUMES}<uuid:resource>/", volume_views.volume_detail, name="volume_detail"),
    path(f"{VOLUMES}<uuid:resource>/card/", volume_views.volume_card, name="volume_card"),
    path(f"{VOLUMES}<uuid:resource>/menu/", volume_views.volume_menu, name="volume_menu"),
]
