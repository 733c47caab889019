"""Addresses of the volumes app."""

from __future__ import annotations

from django.urls import path

from volumes import bulk_views, volume_views

app_name = "volumes"
VOLUMES = "accounts/<uuid:account>/volumes/"
urlpatterns = [
    path(VOLUMES, volume_views.volume_list, name="volume_list"),
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
