"""Versions say by whom they were saved with a name, as the audit trail does: an API key is no user."""

from typing import Any

from django.conf import settings
from django.db import migrations, models
from django.db.models import OuterRef, Subquery


def forwards(apps: Any, schema_editor: Any) -> None:
    users = apps.get_model(settings.AUTH_USER_MODEL).objects.filter(pk=OuterRef("author"))
    versions = apps.get_model("templates_app", "TemplateVersion").objects.filter(author__isnull=False)
    versions.update(saved_by=Subquery(users.values("username")[:1]))


class Migration(migrations.Migration):
    dependencies = [
        ("templates_app", "0003_deleted_templates"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField("templateversion", "saved_by", models.CharField(blank=True, max_length=255, default="")),
        migrations.RunPython(forwards, migrations.RunPython.noop),
        migrations.RemoveField("templateversion", "author"),
    ]
