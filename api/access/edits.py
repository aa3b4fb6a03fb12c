"""What makes, changes and revokes API keys and webhooks: nobody gives a key more than they hold; all is audited."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from django.db import transaction

from api.access import keys, webhooks
from api.kit.callers import ApiScope
from api.models import ApiKey, Webhook
from console.accounts import grants
from console.accounts.edits import require_unchanged
from foundation import audit
from foundation.audit import Action, Actor, Snapshot


def create_key(
    name: str,
    *,
    scopes: Collection[ApiScope],
    actor: Actor,
    groups: Collection[int] | None = None,
    expires_at: datetime | None = None,
    **settings: Any,
) -> str:
    """The text of the new key, which can't be had again; without a user as its actor it is a command's.

    It is limited to `groups`, else to those that its maker is limited to.
    Raises grants.BeyondError where a scope is not the actor's to give, IntegrityError where the name is taken.
    """
    with transaction.atomic():
        limited = grants.of_actor(actor).groups if groups is None else frozenset(groups)
        grants.require(actor, keys.held(scopes, groups=limited))
        text = keys.create(
            name, scopes=scopes, expires_at=expires_at, created_by=actor.user, groups=limited, **settings
        )
        key = ApiKey.objects.get(name=name)
        audit.record(actor, action=Action.ADD, instance=key, after=_shown(key))
    return text


def change_key(key: ApiKey, *, groups: Collection[int] | None, actor: Actor, before: Snapshot) -> None:
    """How much it may post, and to whom, becomes what `key` says, and it is limited to `groups` (None: to none).

    `before` is its snapshot when it was read.

    Raises grants.BeyondError, and StaleError where somebody changed or revoked it since.
    """
    with audit.change(actor, action=Action.CHANGE, instance=key, before=before):
        stored = ApiKey.objects.select_for_update().get(pk=key.pk)
        grants.require(actor, *keys.held_by([stored]).values())
        require_unchanged(stored, since=before)
        key.limited = groups is not None
        key.save(update_fields=["rate_limit", "burst", "known_recipients_only", "limited"])
        key.groups.set(groups or ())
        grants.require(actor, *keys.held_by([key]).values())


def revoke_key(key: ApiKey, *, actor: Actor, now: datetime) -> None:
    """It is refused from now on; nothing happens to one that is revoked already."""
    with transaction.atomic():
        grants.require(actor, *keys.held_by([key]).values())
        if ApiKey.objects.filter(pk=key.pk, revoked_at=None).update(revoked_at=now):
            audit.record(actor, action=Action.REVOKE, instance=key)


def delete_key(key: ApiKey, *, actor: Actor) -> None:
    with audit.change(actor, action=Action.DELETE, instance=key):
        grants.require(actor, *keys.held_by([key]).values())
        key.delete()


def create_webhook(name: str, *, scopes: Collection[ApiScope], actor: Actor) -> str:
    """The secret of the new webhook, which can't be had again; raises IntegrityError where the name is taken."""
    with transaction.atomic():
        grants.require(actor, keys.held(scopes))
        secret = webhooks.create(name, scopes=scopes)
        webhook = Webhook.objects.get(name=name)
        audit.record(actor, action=Action.ADD, instance=webhook, after=audit.snapshot(webhook))
    return secret


def rotate_webhook(webhook: Webhook, *, actor: Actor) -> str:
    """Its new secret; the stored one stays live, an older one does not."""
    with transaction.atomic():
        stored = Webhook.objects.select_for_update().get(pk=webhook.pk)
        grants.require(actor, keys.held(stored.scopes))
        with audit.change(actor, action=Action.CHANGE, instance=stored):
            return webhooks.rotate(stored)


def _shown(key: ApiKey) -> dict[str, Any]:
    """As the trail has it: with its maker's name, where it is not a command's."""
    maker = key.created_by.get_username() if key.created_by else ""
    return {**audit.snapshot(key), "created_by": maker, "by_command": key.by_command}
