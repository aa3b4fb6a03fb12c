"""Puts the predefined templates into the database, as often as wanted; called by migrations."""

from __future__ import annotations

from typing import Any, Protocol

from django.db import transaction

from templates_app.edits import store
from templates_app.queries import read
from templates_app.texts import predefined
from templates_app.texts.content import Content
from templates_app.types import TYPES, TemplateType

PREDEFINED_NOTE = "Predefined text"
"""On a version that nobody wrote: newer predefined texts take its place."""


class Models(Protocol):
    """Django's registry of models, today's or a migration's."""

    def get_model(self, app_label: str, model_name: str) -> Any: ...


@transaction.atomic
def install(models: Models) -> None:
    """Add the predefined templates that are missing, and new texts to those that nobody has changed."""
    templates = models.get_model("templates_app", "NotificationTemplate")
    for kind in TYPES:
        template = templates.objects.filter(type=kind.code, predefined=True).select_related("current").first()
        if template is None:
            template = templates.objects.create(
                name=_free_name(kind, templates=templates),
                description=predefined.TEXTS[kind.code].description,
                type=kind.code,
                predefined=True,
            )
        if template.current is None or template.current.note == PREDEFINED_NOTE:
            _renew(template, predefined.content(kind), models=models)


@transaction.atomic
def note_resumed(models: Models) -> None:
    """Note with predefined templates by which channels they are sent now that their own kind takes over per channel.

    Before, one own template with an active channel silenced the predefined one on all channels.
    """
    templates = models.get_model("templates_app", "NotificationTemplate")
    channels = models.get_model("templates_app", "TemplateChannel")
    rows = templates.objects.filter(deleted_at=None, current__isnull=False)
    for template in rows.filter(predefined=True):
        own = [
            read(row.current_id, channels=channels).active_kinds()
            for row in rows.filter(type=template.type, predefined=False)
        ]
        taken = frozenset[str]().union(*own)
        rest = [kind for kind in read(template.current_id, channels=channels).active_kinds() if kind not in taken]
        if taken and rest:
            templates.objects.filter(pk=template.pk).update(resumed=",".join(sorted(rest)))


def _free_name(kind: TemplateType, *, templates: Any) -> str:
    taken = templates.objects.filter(name=kind.name).exists()
    return f"{kind.name} (predefined)" if taken else kind.name


def _renew(template: Any, content: Content, *, models: Models) -> None:
    channels = models.get_model("templates_app", "TemplateChannel")
    texts = models.get_model("templates_app", "TemplateText")
    if template.current is not None and read(template.current.pk, channels=channels) == content:
        return
    number = template.current.number + 1 if template.current is not None else 1
    version = models.get_model("templates_app", "TemplateVersion").objects.create(
        template=template, number=number, note=PREDEFINED_NOTE
    )
    store(content, version=version, channels=channels, texts=texts)
    template.current = version
    template.save(update_fields=["current"])
