"""Volume groups: restored into a new group that takes the old one's place, and that undone.

Who is who is kept at the old group, whose uuid the task knows: a line of ours below its
description, ``standby:undo task=<token>`` once it may be replaced, and
``standby:undo task=<token> new=<uuid> name=<its name>`` from the moment it is moved aside.
The old group is then called ``standby-undo-<token>``; the new one is called
``standby-new-<hash>-…`` until it gets the old one's name, so a name is never there twice.

Of the two exactly one is listed: the new one when it has its name, the old one before.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from portal.clouds.ahv import backups
from portal.clouds.ahv.arrivals import APPEARED
from portal.clouds.ahv.cluster import AGAIN, Cluster, busy_with
from portal.clouds.ahv.domain_wire import DrSnapshot, Group, Held, plain
from portal.clouds.ahv.domains import Domains
from portal.clouds.ahv.wire import MARKED, NEW, PREFIX, Task
from portal.clouds.api import CloudRefused, Mark, NotFound, Operation, SignInRefused, Volume

LINE = "standby:undo "


@dataclass(frozen=True)
class Note:
    """What the line of ours at the old group says; ``new`` and ``name`` once it is aside."""

    token: str
    new: str = ""
    name: str = ""

    def line(self) -> str:
        aside = f" new={self.new} name={self.name}" if self.new else ""
        return f"{LINE}task={self.token}{aside}"

    @classmethod
    def of(cls, group: Group) -> Note | None:
        for line in group.description.split("\n"):
            if line.startswith(LINE):
                rest, _, name = line.removeprefix(LINE).partition(" name=")
                told = dict(pair.split("=", 1) for pair in rest.split() if "=" in pair)
                return cls(told.get("task", ""), told.get("new", ""), name)
        return None


def _described(group: Group, note: Note | None) -> str:
    text = plain(group.description)
    return text if note is None else f"{text}\n{note.line()}"


def _aside(group: Group) -> Note | None:
    """Return the note at a group that was moved aside; one restored by hand may hold it too."""
    note = Note.of(group)
    return note if note and note.new and group.name == _aside_name(note.token) else None


def _aside_name(token: str) -> str:
    return f"{PREFIX}undo-{token}"


def _is_in_place(group: Group) -> bool:
    """Whether a group has a name for people, be it another than it was given here."""
    return not group.name.startswith(NEW)


def volume_of(group: Group) -> Volume:
    """Return a group as a volume, under the name it has for people."""
    note = _aside(group)
    return group.to_volume(note.name if note else "")


def listed(groups: Sequence[Group]) -> list[Volume]:
    """The groups that belong to somebody; of a restore under way, one of the two."""
    in_place = {group.uuid for group in groups if _is_in_place(group)}
    return [
        volume_of(group)
        for group in groups
        if group.uuid in in_place
        and not (group.name.startswith(PREFIX) and group.description.startswith(MARKED))
        and not ((note := _aside(group)) and note.new in in_place)
    ]


def _new_prefix(token: str) -> str:
    """Names have a limit that is unknown (10): of a token of any length, 12 characters."""
    return f"{NEW}{sha256(token.encode()).hexdigest()[:12]}-"


@dataclass(frozen=True)
class Volumes:
    """The verbs of volume groups at one cluster."""

    cluster: Cluster
    domains: Domains

    def volume(self, volume_id: str) -> Volume:
        return volume_of(self.cluster.group(volume_id))

    def ensure_detached(self, volume_id: str) -> Operation | None:
        """A machine is told by the cluster; a guest's own iSCSI connection is the guest's."""
        tasks = self.cluster.running_tasks()
        group = self.cluster.group(volume_id)
        if busy := busy_with(tasks, group.uuid):
            return busy
        if group.attached_to:
            return self.cluster.detach_group(group.uuid, group.attached_to[0])
        self._require_free(group)
        return None

    def ensure_undo(self, volume_id: str, token: str) -> Operation | None:
        """Write the line."""
        tasks = self.cluster.running_tasks()
        old = self.cluster.group(volume_id)
        if busy := busy_with(tasks, old.uuid):
            return busy
        note = Note.of(old)
        if note is not None and note.token == token:
            return None
        if note is not None and note.new:
            raise CloudRefused(
                f"The volume group {note.name} was replaced by another restore.",
                advice="Let that restore end first.",
            )
        return self._note(old, Note(token))

    def ensure_restored(
        self, volume_id: str, copy_id: str, token: str, mark: Mark
    ) -> Operation | Volume:
        """Restore a new group, move the old one aside, give its name and text to the new one."""
        tasks = self.cluster.running_tasks()
        old = self.cluster.group(volume_id)
        note = Note.of(old)
        if note is None or note.token != token:
            raise CloudRefused("The volume has not been set aside, so it is not replaced.")
        if busy := busy_with(tasks, old.uuid, note.new):
            return busy
        self._require_free(old, note.name)
        if not note.new:
            return self._make(old, copy_id, token, tasks)
        new = self.cluster.group(note.new)
        if not _is_in_place(new):
            text = _described(old, None)
            return self.cluster.change_group(new.uuid, note.name, text, "Putting it in place")
        self._join(new, mark)
        return volume_of(new)

    def _make(self, old: Group, copy_id: str, token: str, tasks: list[Task]) -> Operation:
        made = self._made(token)
        if not made:
            return self._restore(old, copy_id, token)
        new, *doubled = made
        if busy := busy_with(tasks, *(group.uuid for group in made)):
            return busy
        if doubled:
            # A request thought lost was acted on late.
            return self.cluster.delete_group(doubled[0].uuid)
        snapshot = backups.find(self.domains, copy_id)
        _verify(new, snapshot, _held(snapshot, old.uuid))
        return self._note(old, Note(token, new.uuid, old.name))

    def _made(self, token: str) -> list[Group]:
        prefix = _new_prefix(token)
        made = [group for group in self.cluster.groups() if group.name.startswith(prefix)]
        return sorted(made, key=lambda group: group.uuid)

    def _restore(self, old: Group, copy_id: str, token: str) -> Operation:
        snapshot = backups.find(self.domains, copy_id)
        prefix = _new_prefix(token)
        body = {
            "snapshot_id": snapshot.id,
            "volume_group_uuids": [_held(snapshot, old.uuid).uuid],
            "vg_name_prefix": prefix,
            "vm_names": [],
            "vm_uuids": [],
            "replace": False,
        }
        begun = self.domains.restore(snapshot.domain, body)
        return Operation(f"{APPEARED}{prefix}", begun.message) if begun.id == AGAIN else begun

    def ensure_undone(self, volume_id: str, token: str, mark: Mark) -> Operation | None:
        """Give the old group its place back, then delete what came from the backup."""
        tasks = self.cluster.running_tasks()
        try:
            old = self.cluster.group(volume_id)
        except NotFound as error:
            raise CloudRefused(
                "The former volume group is no longer at the cluster; the one made from the "
                "backup is kept."
            ) from error
        note = Note.of(old)
        if busy := busy_with(tasks, old.uuid, note.new if note else ""):
            return busy
        if note is None or note.token != token:
            return None
        return self._put_back(old, note, mark) or self._sweep(token, tasks, awaits=True)

    def _put_back(self, old: Group, note: Note, mark: Mark) -> Operation | None:
        if not note.new:
            return None
        new = self.cluster.find_group(note.new)
        if new is not None:
            self._require_free(new)
            self._leave(new, mark)
            if _is_in_place(new):
                name, text = f"{_new_prefix(note.token)}{note.name}", plain(new.description)
                return self.cluster.change_group(new.uuid, name, text, "Taking it out of place")
        former = Note(note.token)
        text = _described(old, former)
        return self.cluster.change_group(old.uuid, note.name, text, "Putting it back")

    def ensure_no_undo(self, volume_id: str, token: str, mark: Mark) -> Operation | None:
        """Delete the old group where the new one is in its place, else lift the line."""
        tasks = self.cluster.running_tasks()
        old = self.cluster.find_group(volume_id)
        note = Note.of(old) if old else None
        if busy := busy_with(tasks, volume_id, note.new if note else ""):
            return busy
        if old is None or note is None or note.token != token:
            return self._sweep(token, tasks, awaits=False)
        new = self.cluster.find_group(note.new) if note.new else None
        if new is not None and _is_in_place(new):
            self._require_free(old, note.name)
            self._leave(old, mark)
            return self.cluster.delete_group(old.uuid)
        waiting = self._put_back(old, note, mark) or self._sweep(token, tasks, awaits=True)
        return waiting or self._note(old, None)

    def _sweep(self, token: str, tasks: list[Task], *, awaits: bool) -> Operation | None:
        """Delete what restores made that no one refers to; wait for what may still come.

        A restore under way does not say what it makes, so any is waited for: only where an
        undoing finds nothing made.
        """
        made = self._made(token)
        if not made:
            return self.cluster.is_restoring() if awaits else None
        self._require_free(made[0])
        return busy_with(tasks, made[0].uuid) or self.cluster.delete_group(made[0].uuid)

    def _note(self, old: Group, note: Note | None) -> Operation:
        name = _aside_name(note.token) if note and note.new else old.name
        return self.cluster.change_group(
            old.uuid, name, _described(old, note), "Setting the volume group aside"
        )

    def _require_free(self, group: Group, name: str = "") -> None:
        """A group that a machine holds is neither replaced nor removed under it."""
        if group.attached_to:
            vm = self.cluster.find_vm(group.attached_to[0])
            holder = vm.name if vm else group.attached_to[0]
        elif group.clients:
            holder = f"the iSCSI client {group.clients[0]}"
        else:
            return
        raise CloudRefused(
            f"The volume group {name or group.name} is attached to {holder}.",
            advice=f"Detach it from {holder} in Prism, then try again.",
        )

    def _join(self, new: Group, mark: Mark) -> None:
        """Protect the new group as the old one was. What is refused here, the next backup says."""
        name = backups.domain_name(mark)
        domain = self.domains.find(name)
        if domain is not None and not domain.holds(new.uuid):
            _tolerate(self.domains.protect_group, name, new.uuid)

    def _leave(self, group: Group, mark: Mark) -> None:
        """Take a group that is about to be deleted out of the domain, where that can be done:
        a backup tolerates that a former generation is missing (`backups.is_whole`)."""
        name = backups.domain_name(mark)
        domain = self.domains.find(name)
        if domain is not None and domain.holds(group.uuid):
            _tolerate(self.domains.release_group, name, group.uuid)


def _held(snapshot: DrSnapshot, volume_id: str) -> Held:
    """The group in a snapshot: a former generation of this one, where restores came between;
    or one that travelled under a name of ours."""
    groups = (
        [each for each in snapshot.groups if each.uuid == volume_id]
        or [each for each in snapshot.groups if not each.name.startswith(PREFIX)]
        or list(snapshot.groups)
    )
    if len(groups) != 1:
        raise CloudRefused(
            f"Snapshot {snapshot.id} of {snapshot.domain} holds {len(groups)} volume groups, "
            "so which of them to restore is not known.",
            advice="Restore it by hand in Prism.",
        )
    return groups[0]


def _verify(new: Group, snapshot: DrSnapshot, held: Held) -> None:
    if not new.size_bytes or (held.files and new.disks != held.files):
        raise CloudRefused(
            f"What was restored of {held.name} from snapshot {snapshot.id} is not complete: "
            f"{new.disks} disks of {new.size_bytes} bytes.",
            advice="Look at the storage of the cluster, then try again.",
        )


def _tolerate(change: Callable[[str, str], None], name: str, uuid: str) -> None:
    try:
        change(name, uuid)
    except SignInRefused:
        raise
    except CloudRefused:
        return
