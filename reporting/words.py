"""What pages call kinds of task and actions of the audit trail."""

from __future__ import annotations

from portal.access import Permission

# Kinds of task an account has, as the Tasks page filters by them: those of one name together.
TASK_KINDS = {
    "create_backup": "Backup",
    "restore_backup": "Restore",
    "delete_backup": "Delete",
    "publish_sandbox": "Publish",
    "publish_joined_sandbox": "Publish",
    "protect_master_image": "Master image",
    "create_volume_backup": "Backup",
    "create_volume_backup_after_session": "Backup",
    "post_session_backup": "Backup after session",
    "restore_volume_backup": "Restore",
    "delete_volume_backup": "Delete",
    "backup_volumes": "Backup of many volumes",
    "replicate_backup": "Replicate",
    "replicate_volumes": "Replication of many volumes",
    "configure_recovery": "Disaster recovery",
    "check_recovery": "Disaster recovery",
    "test_remote_sites": "Disaster recovery",
    "reconcile": "Reconcile",
    "remove_discrepancy": "Reconcile",
    "remove_replicas": "Remove replicas",
    "remove_replica": "Remove replicas",
    "remove_protection": "Remove protection domains",
}

# What it takes to start such a task, and so to stop or retry it. Others: to manage tasks.
RIGHT_TO_START = {
    "create_backup": Permission.BACK_UP_SERVERS,
    "restore_backup": Permission.RESTORE_SERVERS,
    "delete_backup": Permission.DELETE_SERVER_BACKUPS,
    "publish_sandbox": Permission.BACK_UP_SERVERS,
    "publish_joined_sandbox": Permission.BACK_UP_SERVERS,
    "protect_master_image": Permission.BACK_UP_SERVERS,
    "create_volume_backup": Permission.PROTECT_VOLUMES,
    "create_volume_backup_after_session": Permission.PROTECT_VOLUMES,
    "post_session_backup": Permission.MANAGE_TASKS,
    "restore_volume_backup": Permission.PROTECT_VOLUMES,
    "delete_volume_backup": Permission.PROTECT_VOLUMES,
    "backup_volumes": Permission.PROTECT_VOLUMES,
    "replicate_backup": Permission.BACK_UP_SERVERS,
    "replicate_volumes": Permission.PROTECT_VOLUMES,
    "configure_recovery": Permission.MANAGE_RECOVERY,
    "check_recovery": Permission.MANAGE_RECOVERY,
    "test_remote_sites": Permission.MANAGE_RECOVERY,
    "reconcile": Permission.MANAGE_RECOVERY,
    "remove_discrepancy": Permission.MANAGE_RECOVERY,
    "remove_replicas": Permission.MANAGE_RECOVERY,
    "remove_replica": Permission.MANAGE_RECOVERY,
    "remove_protection": Permission.MANAGE_RECOVERY,
}

_BEFORE_PUBLISH = (
    "If the Sandbox is running, it is powered off while it is cloned, and powered on again "
    "afterwards. It is in maintenance mode until the task ends."
)

_WHILE_IN_USE = (
    "What is in use meanwhile stays in use, and is backed up crash-consistent: as after a power "
    "cut."
)

# What a person must know before the task is started again.
BEFORE_RETRY = {
    "create_backup": (
        "If the server is running, it is powered off while its disk is copied, and powered on "
        "again afterwards. It is in maintenance mode until the task ends."
    ),
    "restore_backup": (
        "Everything written to the server since this backup was taken is lost. The server is "
        "powered off meanwhile, and returns to the power state it has now."
    ),
    "delete_backup": "The backup and everything of it at the cloud is removed for good.",
    "publish_sandbox": _BEFORE_PUBLISH,
    "publish_joined_sandbox": _BEFORE_PUBLISH,
    "protect_master_image": "The server is not touched.",
    "create_volume_backup": _WHILE_IN_USE,
    "create_volume_backup_after_session": _WHILE_IN_USE,
    "post_session_backup": f"What failed is backed up as it is now. {_WHILE_IN_USE}",
    "restore_volume_backup": (
        "Everything written to the volume since this backup was taken is lost. A desktop is "
        "powered off meanwhile, and returns to the power state it has now."
    ),
    "delete_volume_backup": "The backup and everything of it at the cloud is removed for good.",
    "backup_volumes": f"All others are left alone. {_WHILE_IN_USE}",
    "replicate_backup": (
        "The backup is copied to the secondary site, which may cost egress. A replica that is "
        "there stays until the new one is complete."
    ),
    "replicate_volumes": "All others are left alone. What travels between sites may cost egress.",
    "configure_recovery": "Both sites are checked again; what was chosen holds when all is well.",
    "check_recovery": "Both sites are looked at again; nothing is changed.",
    "test_remote_sites": "Both clusters are asked again; nothing is changed.",
    "reconcile": "Both sites are looked at again; nothing there is changed.",
    "remove_discrepancy": "What no record knows is removed at its site for good.",
    "remove_replicas": "Replicas that are left are removed for good; backups stay.",
    "remove_replica": "The replica is removed for good; the backup stays.",
    "remove_protection": "Protection domains that have no use any more are removed for good.",
}

_AFTER_PUBLISH = (
    "The clone and the incomplete copy are removed and the Sandbox returns to its former power "
    "state. No backup is created. Existing backups are not affected."
)

# What is true after a cancel, once the clean-up has run.
AFTER_CANCEL = {
    "create_backup": (
        "The incomplete copy is removed and the server returns to its former power state. "
        "No backup is created. Existing backups are not affected."
    ),
    "restore_backup": (
        "The server gets its former disk back and returns to its former power state. "
        "The backup is not affected."
    ),
    "delete_backup": "The backup stays.",
    "publish_sandbox": _AFTER_PUBLISH,
    "publish_joined_sandbox": _AFTER_PUBLISH,
    "protect_master_image": (
        "The incomplete copy is removed. The backup it was made of is not affected."
    ),
    "create_volume_backup": (
        "The incomplete backup is removed. No backup is created. The volume and its existing "
        "backups are not affected."
    ),
    "create_volume_backup_after_session": (
        "The incomplete backup is removed, and a desktop returns to its former power state. A "
        "volume that was detached stays so until its user comes back."
    ),
    "post_session_backup": "Backups under way stop, and others do not begin. Done ones stay.",
    "restore_volume_backup": (
        "The volume gets its former content back, and a desktop returns to its former power "
        "state. The backup is not affected."
    ),
    "delete_volume_backup": "The backup stays.",
    "backup_volumes": (
        "Backups that wait do not begin, and those under way stop: of them nothing is left. "
        "Those that are done stay."
    ),
    "replicate_backup": (
        "The incomplete replica is removed. The backup, and a replica it had before, stay."
    ),
    "replicate_volumes": (
        "Replications that wait do not begin, and of those under way nothing is left. Those that "
        "are done stay."
    ),
    "configure_recovery": "Disaster recovery stays as it was.",
    "check_recovery": "Nothing was changed.",
    "test_remote_sites": "Nothing was changed.",
    "reconcile": "Nothing was changed.",
    "remove_discrepancy": "It stays where it is.",
    "remove_replicas": "Replicas that are removed are gone; the others stay.",
    "remove_replica": "The replica stays.",
    "remove_protection": "Protection domains that are left stay.",
}

# Why a volume was left out of a backup of many, by what the task remembers.
SKIPPED = {
    "busy": "busy with another task",
    "full": "at their number of manual backups",
    "missing": "no longer at the cloud",
    "in_use": "in use again",
    "bare": "without a good backup",
    "not_now": "being replicated already, or just being deleted",
}

ACTION_GROUPS = {
    "alert": "Alerts",
    "api_key": "API keys",
    "backup": "Backups",
    "backup_policy": "Backup settings",
    "volumes": "Backups of many volumes",
    "volume_policy": "Volume backup settings",
    "recovery": "Disaster recovery",
    "sandbox": "Publish",
    "records": "Records",
    "task": "Tasks",
    "machine": "Machines",
    "database": "Database",
    "access": "Access",
    "account": "Account",
    "cloud_account": "Cloud accounts",
    "organization": "Organizations",
    "report": "Reports",
    "user": "Sign-in",
}

ACTIONS = {
    "access.accept": "Accept invitation",
    "access.grant": "Grant role",
    "access.invite": "Invite",
    "access.map_group": "Give role to group",
    "access.release_two_factor": "Stop requiring two-factor sign-in",
    "access.require_two_factor": "Require two-factor sign-in",
    "access.revoke": "Revoke role",
    "access.uninvite": "Withdraw invitation",
    "access.unmap_group": "Take role from group",
    "account.create": "Create account",
    "account.edit": "Change account settings",
    "account.place": "Change cloud account or site",
    "account.terminate": "Terminate account",
    "account.terminated": "Account terminated",
    "alert.create": "Create alert rule",
    "alert.delete": "Delete alert rule",
    "alert.edit": "Change alert rule",
    "alert.pause": "Pause alert rule",
    "alert.resume": "Resume alert rule",
    "alert.test": "Send test alert",
    "api_key.create": "Create API key",
    "api_key.revoke": "Revoke API key",
    "backup.create": "Create backup",
    "backup.delete": "Delete backup",
    "backup.mark_master_image": "Use as BYO Master Image",
    "backup.pin": "Pin backup",
    "backup.replicate": "Replicate",
    "backup.restore": "Restore",
    "backup.unmark_master_image": "Stop using as Master Image",
    "backup.unpin": "Unpin backup",
    "backup_policy.edit": "Change backup settings",
    "cloud_account.add_instance_type": "Add instance type",
    "cloud_account.create": "Add cloud account",
    "cloud_account.delete": "Delete cloud account",
    "cloud_account.edit": "Change cloud account",
    "cloud_account.remove_instance_type": "Remove instance type",
    "cloud_account.synchronise": "Synchronise inventory",
    "cloud_account.test": "Test Connection",
    "database.put_back": "Put the portal's database back",
    "machine.assign": "Assign machine",
    "machine.remove": "Remove assignment",
    "organization.create": "Create organization",
    "organization.delete": "Delete organization",
    "records.purge": "Remove records past their period",
    "recovery.adopt": "Adopt what was unknown",
    "recovery.check": "Check disaster recovery",
    "recovery.disable": "Switch disaster recovery off",
    "recovery.enable": "Configure disaster recovery",
    "recovery.ignore": "Ignore what was unknown",
    "recovery.reconcile": "Reconcile",
    "recovery.remove_unknown": "Remove what was unknown",
    "recovery.test": "Test Connection of Remote Sites",
    "report.export": "Exported",
    "sandbox.publish": "Publish Sandbox",
    "task.acknowledge": "Acknowledge task",
    "task.acknowledge_all": "Acknowledge ended tasks",
    "task.cancel": "Cancel task",
    "task.retry": "Retry task",
    "user.add_factor": "Add second factor",
    "user.change_password": "Change password",
    "user.connect_identity": "Connect single sign-on",
    "user.disconnect_identity": "Disconnect single sign-on",
    "user.end_session": "End session",
    "user.end_sessions": "End other sessions",
    "user.remove_factor": "Remove second factor",
    "user.rename_factor": "Rename passkey",
    "user.renew_recovery_codes": "Renew recovery codes",
    "user.reset_password": "Reset password",
    "user.second_factor": "Second factor",
    "user.session_expired": "Session ended by itself",
    "user.sign_in": "Sign in",
    "user.signed_in": "Sign in",
    "user.signed_out": "Sign out",
    "volume_policy.edit": "Change volume backup settings",
    "volumes.backup": "Back up many volumes",
    "volumes.replicate": "Replicate many volumes",
}


def action_label(action: str) -> str:
    """Return the words for a dotted action; one without words reads ``Verb object``."""
    if action in ACTIONS:
        return ACTIONS[action]
    group, _, verb = action.rpartition(".")
    return f"{verb} {group}".replace("_", " ").replace(".", " ").strip().capitalize()


def kind_choices() -> list[tuple[str, str]]:
    """Return kinds of task as a filter offers them, each name once."""
    first: dict[str, str] = {}
    for kind, label in TASK_KINDS.items():
        first.setdefault(label, kind)
    return [(kind, label) for label, kind in first.items()]


def kinds_named_as(kind: str) -> list[str]:
    """Return the kinds of task that have the name of this one."""
    return [other for other, label in TASK_KINDS.items() if label == TASK_KINDS.get(kind)]


def kind_label(kind: str) -> str:
    """Return what a kind of task is called."""
    return TASK_KINDS.get(kind, kind.replace("_", " ").capitalize())
