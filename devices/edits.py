"""Every write to devices and users: creates and changes them from what is reported about them, and removes them.

What changed is left as rows for rules, and in the audit trail where a person or an API key did it. What an event
reports of its own subject has no `actor` and no entry: the event itself is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import Field, Q
from django.utils.translation import gettext as _
from msgspec import Struct

from console.accounts.edits import require_unchanged
from devices.fields import Cleaned, FieldError, Unusable, clean_device, clean_user
from devices.models import Change, Device, Group, InstalledApp, Person, PushToken, folded, keyed
from devices.scope import GroupScope
from foundation import audit
from foundation.audit import Action, Actor, Snapshot
from foundation.sql.locks import hold

Row = TypeVar("Row", Device, Person)
_APART = {"properties", "apps", "push", "user", "groups"}  # not columns of their own
_NAMED = 10
"""Login names in a sentence, at most."""
_OWN_TABLES = frozenset({"apps", "push"})  # the trail says that they are new; of a token nothing is shown


_NEW_IMEI = "devices.new_imei"  # whoever makes devices that are known by their IMEI alone does so one after the other


class Saved(Struct, Generic[Row], frozen=True):
    """`changed` are the names of the fields and properties that have another value now."""

    row: Row
    created: bool
    changed: tuple[str, ...]
    warnings: tuple[Unusable, ...]


class Item(Struct, frozen=True):
    """A device or user of an import: the key it is found by, and fields as `save_device` and `save_user` take them."""

    key: str
    value: str
    given: Mapping[str, Any]
    must_exist: bool = False


def save_device(
    key: str,
    value: str,
    given: Mapping[str, Any],
    *,
    scope: GroupScope,
    country: str,
    now: datetime,
    actor: Actor | None = None,
) -> Saved[Device]:
    """Create or change the device with this `serial`, `imei` or `id`; named fields are set, None clears.

    `country` (ISO 3166) reads phone numbers. The device is a user's in the `scope` before and after. Raises FieldError;
    nothing is stored then. An `id` must be known.
    """
    reported = clean_device({key: value, **given} if key != "id" else given, key=key, country=country)
    with transaction.atomic():
        row, created = _find_or_make(Device, key, reported.values.get(key, value), made=_new_device, scope=scope)
        before = _shown(row) if actor and not created else {}
        changed = _set_columns(row, reported.values)
        if "user" in reported.values:
            name = reported.values["user"]
            changed += _set_owner(row, name, owners=_owners([name] if name else [], scope=scope))
        changed += _set_properties(row, reported.values)
        _save(row, taken="serial")
        _require_within(row, scope)
        if "apps" in reported.values:
            changed += _set_apps(row, reported.values["apps"] or [])
        if "push" in reported.values:
            changed += _set_push(row, reported.values["push"], now=now)
        if changed or created:
            Change.objects.create(device=row, names=changed)
            _record(row, changed, before=before, created=created, actor=actor)
    return Saved(row, created, tuple(changed), reported.warnings)


def save_user(
    key: str, value: str, given: Mapping[str, Any], *, scope: GroupScope, country: str, actor: Actor | None = None
) -> Saved[Person]:
    """Create or change the user with this `loginname` (its case does not matter) or `id`, as `save_device` does.

    Groups outside of the `scope` stay with the user as they are.
    """
    reported = clean_user({key: value, **given} if key != "id" else given, key=key, country=country)
    with transaction.atomic():
        row, created = _find_or_make(Person, key, reported.values.get(key, value), made=_new_person, scope=scope)
        before = _shown(row) if actor and not created else {}
        changed = _set_columns(row, reported.values, keep={"loginname"} if key == "loginname" else set())
        changed += _set_properties(row, reported.values)
        if created or "loginname" in changed:
            row.username, row.domainname = split_loginname(row.loginname)
        _save(row, taken="loginname")
        if "groups" in reported.values:
            changed += _set_groups(row, reported.values["groups"] or [], scope=scope)
        _require_within(row, scope)
        if changed or created:
            Change.objects.create(person=row, names=changed)
            _record(row, changed, before=before, created=created, actor=actor)
    return Saved(row, created, tuple(changed), reported.warnings)


def save_many(
    model: type[Device | Person],
    items: Sequence[Item],
    *,
    scope: GroupScope,
    country: str,
    now: datetime,
    is_dry: bool = False,
) -> list[Saved[Any] | FieldError]:
    """What `save_device` and `save_user` do, for many together and without an entry: what became of each.

    No two items may have the same key, and none may have `apps` or `push`. With `is_dry` nothing is stored. An item
    of which `must_exist` is true is "unknown" where there is no such record.
    """
    try:
        return _saved(model, items, scope=scope, country=country, now=now, is_dry=is_dry)
    except IntegrityError:  # somebody else made one of them in between: now it is there
        return _saved(model, items, scope=scope, country=country, now=now, is_dry=is_dry)


def _saved(
    model: type[Device | Person],
    items: Sequence[Item],
    *,
    scope: GroupScope,
    country: str,
    now: datetime,
    is_dry: bool,
) -> list[Saved[Any] | FieldError]:
    clean = clean_device if model is Device else clean_user
    results: list[Saved[Any] | FieldError] = []
    groups: list[tuple[Person, Sequence[str]]] = []
    with transaction.atomic():
        if not is_dry and any(item.key == "imei" for item in items):
            hold(_NEW_IMEI)
        known = _known(model, items, locked=not is_dry)
        owners = _owners({item.given["user"].strip() for item in items if item.given.get("user")}, scope=scope)
        theirs = _theirs(known.values(), scope=scope)
        for item in items:
            try:
                reported = clean({item.key: item.value, **item.given}, key=item.key, country=country)
                one = _applied(model, item, reported, known=known, owners=owners, theirs=theirs)
                groups += [(one.row, reported.values["groups"])] if "groups" in one.changed else []
                results.append(one)
            except FieldError as error:
                results.append(error)
        if not is_dry:
            _store(model, [one for one in results if isinstance(one, Saved)], groups=groups, scope=scope, now=now)
    return results


def _known(
    model: type[Device | Person], items: Sequence[Item], *, locked: bool
) -> dict[tuple[str, str], Device | Person]:
    """The rows there are, by the keys of the items; of several with an IMEI the first."""
    found: dict[tuple[str, str], Device | Person] = {}
    if model is Person:
        people = Person.objects.select_for_update() if locked else Person.objects.all()
        names = [folded(item.value) for item in items]
        among = people.filter(loginname__lower__in=names).prefetch_related("groups").order_by("pk")
        return {("loginname", row.loginname.lower()): row for row in among}
    devices = Device.objects.select_for_update() if locked else Device.objects.all()
    for key in ("serial", "imei"):
        wanted = [item.value for item in items if item.key == key]
        rows = devices.filter(~Q(**{key: ""}), **{f"{key}__in": wanted}).order_by("-pk") if wanted else ()
        found |= {(key, getattr(row, key)): row for row in rows}
    return found


def _owners(loginnames: Collection[str], *, scope: GroupScope) -> dict[str, Person]:
    """The users in the scope with these login names, by what these are in small letters."""
    if not loginnames:
        return {}
    found = Person.objects.within(scope).filter(loginname__lower__in=[folded(name) for name in loginnames])
    return {person.loginname.lower(): person for person in found}


class _Theirs(Struct, frozen=True):
    """What somebody who is limited may touch: of the rows that there are these ids, and these groups by name."""

    rows: Collection[int]
    groups: Collection[str]


def _theirs(rows: Collection[Device | Person], *, scope: GroupScope) -> _Theirs | None:
    """None for who is not limited."""
    if not scope.is_limited:
        return None
    ids = [row.pk for row in rows]
    devices = any(isinstance(row, Device) for row in rows)
    among = Device.objects.within(scope) if devices else Person.objects.within(scope)
    names = Group.objects.within(scope).values_list("name", flat=True)
    return _Theirs(frozenset(among.filter(pk__in=ids).values_list("pk", flat=True)), frozenset(names))


def _applied(
    model: type[Device | Person],
    item: Item,
    reported: Cleaned,
    *,
    known: Mapping[tuple[str, str], Device | Person],
    owners: Mapping[str, Person],
    theirs: _Theirs | None,
) -> Saved[Any]:
    """The row as it is to be, in memory."""
    found = _known_row(item, reported, known=known, theirs=theirs)
    created = found is None
    row = found or model(**{item.key: reported.values[item.key]})
    changed = _set_columns(row, reported.values, keep={"loginname"})
    if isinstance(row, Device) and "user" in reported.values:
        changed += _set_owner(row, reported.values["user"], owners=owners)
    changed += _set_properties(row, reported.values)
    if isinstance(row, Person):
        if created:
            row.username, row.domainname = split_loginname(row.loginname)
        changed += _new_groups(row, reported.values.get("groups"), created=created, theirs=theirs)
    elif theirs is not None and row.person_id is None:
        raise _outside(row)
    return Saved(row, created, tuple(changed), reported.warnings)


def _known_row(
    item: Item, reported: Cleaned, *, known: Mapping[tuple[str, str], Device | Person], theirs: _Theirs | None
) -> Device | Person | None:
    """The row there is, None where it is to be made."""
    value = reported.values.get(item.key) or ""
    if not value:
        raise FieldError(item.key, "required", f"Give the {item.key}.")
    row = known.get((item.key, value.lower() if item.key == "loginname" else value))
    is_hidden = row is not None and theirs is not None and row.pk not in theirs.rows
    if item.must_exist and (row is None or is_hidden):
        raise FieldError(item.key, "unknown", "There is no record with this key.")
    if is_hidden:
        raise _taken(item.key)
    return row


def _new_groups(row: Person, wanted: list[str] | None, *, created: bool, theirs: _Theirs | None) -> list[str]:
    """["groups"] where they will be others; `wanted` is None where they stay."""
    before = set() if created else {group.name for group in row.groups.all()}
    if theirs is not None:
        before &= set(theirs.groups)
        _check_groups(wanted or (), among=theirs.groups)
        if not (before if wanted is None else wanted):
            raise _outside(row)
    return ["groups"] if wanted is not None and set(wanted) != before else []


def _store(
    model: type[Device | Person],
    kept: Sequence[Saved[Any]],
    *,
    groups: Sequence[tuple[Person, Sequence[str]]],
    scope: GroupScope,
    now: datetime,
) -> None:
    rows = model._default_manager  # noqa: SLF001 - a public name
    rows.bulk_create([one.row for one in kept if one.created])
    changed = [one for one in kept if one.changed and not one.created]
    for one in changed:
        one.row.updated_at = now
    if changed:
        columns: set[str] = {column.name for column in model._meta.concrete_fields}  # noqa: SLF001 - as above
        named: set[str] = {"person" if name == "user" else name for one in changed for name in one.changed}
        rows.bulk_update([one.row for one in changed], sorted({*(named & columns), "properties", "updated_at"}))
    if groups:
        _store_groups(groups, scope=scope)
    about = "device" if model is Device else "person"
    Change.objects.bulk_create(
        Change(**{about: one.row}, names=list(one.changed)) for one in kept if one.created or one.changed
    )


def _store_groups(wanted: Sequence[tuple[Person, Sequence[str]]], *, scope: GroupScope) -> None:
    """Memberships in groups outside of the scope stay."""
    names = {name for _row, groups in wanted for name in groups}
    Group.objects.bulk_create([Group(name=name) for name in sorted(names)], ignore_conflicts=True)
    ids = dict(Group.objects.filter(name__in=names).values_list("name", "pk"))
    membership = Person.groups.through
    before = membership.objects.filter(person__in=[row.pk for row, _groups in wanted])
    (before.filter(group__in=sorted(scope.groups)) if scope.groups is not None else before).delete()
    membership.objects.bulk_create(
        membership(person_id=row.pk, group_id=ids[name]) for row, groups in wanted for name in dict.fromkeys(groups)
    )


def record_import(actor: Actor, *, model: type[Device | Person], lines: int, created: int, changed: int) -> None:
    """One entry for what `save_many` is about to store."""
    supplied = {"created": created, "changed": changed}
    audit.record(actor, action=Action.CHANGE, instance=model(), after=supplied, name=f"{lines} in an import")


def record_batch(kept: Sequence[Saved[Row]], *, model: type[Row], given: int, actor: Actor) -> None:
    """One entry with the numbers for `given` records, each saved without an actor; none if nothing changed."""
    created = sum(1 for each in kept if each.created)
    changed = sum(1 for each in kept if each.changed and not each.created)
    if created or changed:
        counts = {"created": created, "changed": changed}
        audit.record(actor, action=Action.CHANGE, instance=model(), after=counts, name=f"{given} in a batch")


def remove_device(row: Device, *, actor: Actor) -> None:
    """Events and deliveries keep their history without it."""
    with audit.change(actor, action=Action.DELETE, instance=row, show=_shown):
        row.delete()


@transaction.atomic
def remove_user(row: Person, *, words: str, actor: Actor) -> None:
    """The row, and all that the audit trail has of it but ids, times and actions; `words` take the place of its name.

    Only `dispatch.outbox.removal` calls this, which removes what events and deliveries hold.
    """
    audit.forget(row, words=words)
    audit.record(actor, action=Action.DELETE, instance=row, name=words)
    row.delete()


def save_group(group: Group, *, actor: Actor, before: Snapshot) -> Group:
    """Add it by hand, or rename it; `before` is its snapshot when it was read, empty for a new one.

    Raises ValidationError where the name was taken, or the group changed, meanwhile.
    """
    action = Action.CHANGE if group.pk else Action.ADD
    try:
        with audit.change(actor, action=action, instance=group, before=before):
            if group.pk:
                require_unchanged(Group.objects.select_for_update().get(pk=group.pk), since=before)
            else:
                group.by_hand = True
            group.save()
    except IntegrityError:
        raise ValidationError(_("A group with this name was added meanwhile.")) from None
    return group


def remove_group(group: Group, *, actor: Actor) -> None:
    """Its users stay."""
    with audit.change(actor, action=Action.DELETE, instance=group):
        _note_groups(group.people.values_list("pk", flat=True))
        group.delete()


def add_members(group: Group, loginnames: Sequence[str], *, scope: GroupScope, actor: Actor) -> int:
    """Put the users in the scope with these login names into the group; returns how many were not in it.

    Raises ValidationError for a name that is not known; nobody is added then.
    """
    with transaction.atomic():
        known = _owners(loginnames, scope=scope)
        if unknown := [name for name in loginnames if name.lower() not in known]:
            raise ValidationError(_("No user has this login name: %s.") % ", ".join(unknown[:_NAMED]))
        there = set(group.people.filter(pk__in=[row.pk for row in known.values()]).values_list("pk", flat=True))
        fresh = [row for row in known.values() if row.pk not in there]
        group.people.add(*fresh)
        _record_members(group, fresh, actor=actor, is_in=True)
    return len(fresh)


def remove_members(group: Group, ids: Collection[int], *, scope: GroupScope, actor: Actor) -> int:
    """Take these users out of the group; returns how many were in it.

    Raises ValidationError where somebody who is limited would not see one of them any more; nobody is removed then.
    """
    with transaction.atomic():
        rows = list(Person.objects.within(scope).filter(groups=group, pk__in=list(ids)).order_by("loginname"))
        group.people.remove(*rows)
        kept = set(Person.objects.within(scope).filter(pk__in=[row.pk for row in rows]).values_list("pk", flat=True))
        if lost := [row.loginname for row in rows if row.pk not in kept]:
            words = _("They are in no other of the groups that you are limited to, and you would see them no more: %s.")
            raise ValidationError(words % ", ".join(lost[:_NAMED]))
        _record_members(group, rows, actor=actor, is_in=False)
    return len(rows)


def _record_members(group: Group, rows: Sequence[Person], *, actor: Actor, is_in: bool) -> None:
    """With each user, so that what the trail says of one goes with that user, and with the group how many."""
    _note_groups(row.pk for row in rows)
    for row in rows:
        added, removed = {"in the group": group.name}, {"in the group": ""}
        before, after = (removed, added) if is_in else (added, removed)
        audit.record(actor, action=Action.CHANGE, instance=row, before=before, after=after)
    if rows:
        counted = {"users added" if is_in else "users removed": len(rows)}
        audit.record(actor, action=Action.CHANGE, instance=group, after=counted)


def _note_groups(person_ids: Iterable[int]) -> None:
    """For rules."""
    Change.objects.bulk_create((Change(person_id=pk, names=["groups"]) for pk in person_ids), batch_size=1_000)


def split_loginname(loginname: str) -> tuple[str, str]:
    r"""User name and domain of `DOMAIN\user` or `user@domain`; the domain is empty where there is none."""
    domain, slash, user = loginname.partition("\\")
    if slash:
        return user, domain[:253]
    user, _, domain = loginname.partition("@")
    return user, domain[:253]


def _shown(row: Device | Person) -> Snapshot:
    """What the audit trail compares: the columns, each property by its name."""
    columns = dict(audit.snapshot(row))
    return {**columns.pop("properties", {}), **columns}


def _record(
    row: Device | Person, changed: Sequence[str], *, before: Snapshot, created: bool, actor: Actor | None
) -> None:
    if actor:
        action = Action.ADD if created else Action.CHANGE
        after = {**_shown(row), **{name: audit.NEW_MASK for name in changed if name in _OWN_TABLES}}
        audit.record(actor, action=action, instance=row, before=before, after=after)


def _find_or_make(
    model: type[Row], key: str, value: str, *, made: Callable[[str, str], Row], scope: GroupScope
) -> tuple[Row, bool]:
    """The row, locked where the database can; two who make the same one at the same time get the same row.

    One that is there and not in the scope is as good as taken, since two can't have its key.
    """
    if not value:
        raise FieldError(key, "required", f"Give the {key}.")
    rows = model._default_manager.select_for_update().filter(_lookup(key, value)).order_by("pk")  # noqa: SLF001
    row = rows.first()
    is_hidden = row is not None and not _is_within(row, scope)
    if key == "id" and (row is None or is_hidden):
        raise FieldError("id", "unknown", "There is no record with this id.")
    if is_hidden:
        raise _taken(key)
    if row is None and key == "imei":  # unlike the others it is not unique: two could make the same one
        hold(_NEW_IMEI)
        row = rows.first()
    if row is not None:
        return row, False
    try:
        with transaction.atomic():
            row = made(key, value)
            row.save(force_insert=True)
            return row, True
    except IntegrityError:
        return rows.get(), False


def _is_within(row: Device | Person, scope: GroupScope) -> bool:
    if not scope.is_limited:
        return True
    owner = row.person_id if isinstance(row, Device) else row.pk
    return owner is not None and Person.objects.within(scope).filter(pk=owner).exists()


def _require_within(row: Device | Person, scope: GroupScope) -> None:
    if not _is_within(row, scope):
        raise _outside(row)


def _outside(row: Device | Person) -> FieldError:
    if isinstance(row, Device):
        return FieldError("user", "outside", "Name a user of the groups that you are limited to.")
    return FieldError("groups", "outside", "Name one at least of the groups that you are limited to.")


def _check_groups(names: Collection[str], *, among: Collection[str]) -> None:
    for name in names:
        if name not in among:
            known = ", ".join(sorted(among)) or "none"
            raise FieldError("groups", "outside", f"{name!r} is none of the groups that you are limited to: {known}.")


def _taken(key: str) -> FieldError:
    return FieldError(key, "taken", f"Another record has this {key}.")


def _lookup(key: str, value: str) -> Q:
    if key != "id":
        return Q(loginname__lower=folded(value)) if key == "loginname" else keyed(key, value)
    try:
        return Q(uid=UUID(value))
    except ValueError:
        raise FieldError("id", "invalid", "An id is a UUID.") from None


def _new_device(key: str, value: str) -> Device:
    return Device(**{key: value})


def _new_person(key: str, value: str) -> Person:
    return Person(**{key: value})


def _set_columns(row: Device | Person, values: Mapping[str, Any], *, keep: set[str] | None = None) -> list[str]:
    changed = []
    for name, value in values.items():
        if name in _APART or name in (keep or ()):
            continue
        wanted = _default(row, name) if value is None else value
        if getattr(row, name) != wanted:
            setattr(row, name, wanted)
            changed.append(name)
    if isinstance(row, Device) and not (row.serial or row.imei):
        raise FieldError("serial", "required", "A device keeps its serial number or its IMEI.")
    if isinstance(row, Person) and not row.loginname:
        raise FieldError("loginname", "required", "A user keeps the login name.")
    return changed


def _default(row: Device | Person, name: str) -> Any:
    column = row._meta.get_field(name)  # noqa: SLF001 - a public name
    assert isinstance(column, Field)
    return column.get_default()


def _set_properties(row: Device | Person, values: Mapping[str, Any]) -> list[str]:
    if "properties" not in values:
        return []
    given = values["properties"]
    before = dict(row.properties)
    after = {} if given is None else {name: value for name, value in {**before, **given}.items() if value is not None}
    row.properties = after
    return sorted(name for name in {*before, *after} if before.get(name) != after.get(name))


def _set_owner(row: Device, loginname: str | None, *, owners: Mapping[str, Person]) -> list[str]:
    owner = owners.get(loginname.lower()) if loginname else None
    if loginname and owner is None:
        raise FieldError("user", "unknown", "No user has this login name.")
    if row.person_id == (owner.pk if owner else None):
        return []
    row.person = owner
    return ["user"]


def _save(row: Device | Person, *, taken: str) -> None:
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        raise _taken(taken) from None


def _set_apps(row: Device, names: list[str]) -> list[str]:
    before = set(row.apps.values_list("name", flat=True))
    row.apps.filter(name__in=before - set(names)).delete()
    InstalledApp.objects.bulk_create(
        [InstalledApp(device=row, name=name) for name in names if name not in before], ignore_conflicts=True
    )
    return ["apps"] if before != set(names) else []


def _set_push(row: Device, push: Mapping[str, str] | None, *, now: datetime) -> list[str]:
    if push is None:
        return ["push"] if row.push_tokens.all().delete()[0] else []
    before = row.push_tokens.filter(kind=push["kind"]).first()
    same = before and before.dead_at is None
    if same and before and (before.token, before.environment) == (push["token"], push["environment"]):
        return []
    fields = {"token": push["token"], "environment": push["environment"], "registered_at": now}
    PushToken.objects.update_or_create(
        device=row, kind=push["kind"], defaults={**fields, "dead_at": None, "dead_reason": ""}
    )
    return ["push"]


def _set_groups(row: Person, names: list[str], *, scope: GroupScope) -> list[str]:
    """Membership in groups outside of the scope stays."""
    if scope.is_limited:
        _check_groups(names, among=set(Group.objects.within(scope).values_list("name", flat=True)))
    before = {group.name: group for group in row.groups.all() if scope.covers(frozenset({group.pk}))}
    if set(before) == set(names):
        return []
    Group.objects.bulk_create([Group(name=name) for name in names], ignore_conflicts=True)
    row.groups.remove(*(group for name, group in before.items() if name not in names))
    row.groups.add(*Group.objects.filter(name__in=set(names) - set(before)))
    return ["groups"]
