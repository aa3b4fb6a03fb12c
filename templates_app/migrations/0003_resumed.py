"""Notes which predefined templates are sent by further channels since own ones take over per channel."""

from typing import Any

from django.db import migrations, models

from templates_app.install import note_resumed


def forwards(apps: Any, schema_editor: Any) -> None:
    note_resumed(apps)


class Migration(migrations.Migration):
    dependencies = [("templates_app", "0002_predefined_templates")]

    operations = [
        migrations.AddField(
            model_name="notificationtemplate",
            name="resumed",
            field=models.CharField(
                blank=True,
                default="",
                editable=False,
                help_text="by which an update began to send it, until somebody has read so on Health",
                max_length=64,
                verbose_name="resumed channels",
            ),
        ),
        migrations.RunPython(forwards, migrations.RunPython.noop),
    ]
