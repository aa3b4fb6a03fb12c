"""Adds the predefined templates; harmless to run again."""

from typing import Any

from django.db import migrations

from templates_app.install import install


def forwards(apps: Any, schema_editor: Any) -> None:
    install(apps)


class Migration(migrations.Migration):
    dependencies = [("templates_app", "0001_schema")]

    operations = [migrations.RunPython(forwards, migrations.RunPython.noop)]
