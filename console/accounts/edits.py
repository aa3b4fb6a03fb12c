"""What changes administrators, roles and second factors: each checks that nobody goes beyond what they hold, and that
the row is still what its form was opened with, writes, and records it in the audit trail.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.contrib.auth.models import Group, User
from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Model
from django.forms import ModelForm
from django.utils.translation import gettext as _

from console.accounts import grants, limits, second_factor
from console.accounts.forms import RoleForm
from console.accounts.grants import Held
from console.models import Profile, RoleRule, SecondFactor
from foundation import audit
from foundation.audit import Action, Actor, Snapshot


class StaleError(ValidationError):
    """The row was changed since it was read."""


def require_unchanged(stored: Model, *, since: Snapshot) -> None:
    """Raise StaleError where the row, locked, is not what it was when `since` was taken."""
    if audit.snapshot(stored) != since:
        raise StaleError(_("Somebody saved this meanwhile. Open it again to see what is stored now."))


def save_administrator(form: ModelForm[User], *, actor: Actor, before: Snapshot) -> User:
    """Add or change one by a valid form; `before` is the snapshot of the row when it was read, empty for a new one."""
    with _saving(form.instance, actor=actor, before=before):
        return form.save()


def save_role(form: RoleForm, *, actor: Actor, before: Snapshot) -> Group:
    """As `save_administrator`; whether its members need a second factor, and which groups it is limited to, is an entry
    of its own.
    """
    with _saving(form.instance, actor=actor, before=before):
        role = form.save()
        rule, _is_new = RoleRule.objects.get_or_create(role=role)
        old, wanted = limits.of_roles([role.pk]).get(role.pk), form.groups()
        shown = _shown_rule(rule, groups=old)
        rule.second_factor, rule.limited = form.cleaned_data["second_factor"], wanted is not None
        if shown != (new := _shown_rule(rule, groups=wanted)):
            rule.save()
            limits.groups().store(role.pk, wanted or ())
            audit.record(actor, action=Action.CHANGE, instance=rule, before=shown, after=new)
        return role


def _shown_rule(rule: RoleRule, *, groups: frozenset[int] | None) -> Snapshot:
    return {**audit.snapshot(rule), "groups": limits.groups().names(groups) if groups else []}


def delete_administrator(user: User, *, actor: Actor) -> None:
    if actor.user is not None and actor.user.pk == user.pk:
        raise ValidationError(_("You can't delete yourself."))
    with audit.change(actor, action=Action.DELETE, instance=user):
        grants.require(actor, grants.of_user(user))
        user.delete()


def delete_role(role: Group, *, actor: Actor) -> None:
    with audit.change(actor, action=Action.DELETE, instance=role):
        grants.require(actor, grants.of_role(role))
        role.delete()


def set_password(user: User, password: str, *, actor: Actor) -> None:
    """All sessions of that user end; their own goes on where the caller renews it."""
    with transaction.atomic():
        grants.require(actor, grants.of_user(user))
        user.set_password(password)
        user.save(update_fields=["password"])
        audit.record(actor, action=Action.PASSWORD, instance=user)


def set_time_zone(user: User, name: str, *, actor: Actor) -> None:
    """In which zone the console tells times to this user; empty for that of the browser."""
    profile = Profile.objects.filter(user=user).first() or Profile(user=user)
    with audit.change(actor, action=Action.CHANGE if profile.pk else Action.ADD, instance=profile):
        profile.time_zone = name
        profile.save()


def turn_on_second_factor(user: User, *, secret: str, code: str, actor: Actor, now: datetime) -> list[str] | None:
    """The recovery codes, to be shown once; None where the code is not one of the secret."""
    with transaction.atomic():
        codes = second_factor.turn_on(user, secret=secret, code=code, now=now)
        if codes:
            audit.record(actor, action=Action.ADD, instance=SecondFactor.objects.get(user=user))
    return codes


def renew_recovery_codes(factor: SecondFactor, *, actor: Actor) -> list[str]:
    with transaction.atomic():
        codes = second_factor.renew_recovery_codes(factor)
        audit.record(actor, action=Action.CHANGE, instance=factor)
    return codes


def turn_off_second_factor(factor: SecondFactor, *, actor: Actor) -> None:
    with audit.change(actor, action=Action.DELETE, instance=factor):
        grants.require(actor, grants.of_user(factor.user))
        factor.delete()


@contextmanager
def _saving(instance: User | Group, *, actor: Actor, before: Snapshot) -> Iterator[None]:
    action = Action.CHANGE if instance.pk else Action.ADD
    with audit.change(actor, action=action, instance=instance, before=before):
        if instance.pk:
            stored = type(instance).objects.select_for_update().get(pk=instance.pk)
            grants.require(actor, _held(stored))
            require_unchanged(stored, since=before)
        yield
        grants.require(actor, _held(instance))


def _held(instance: User | Group) -> Held:
    return grants.of_user(instance) if isinstance(instance, User) else grants.of_role(instance)
