import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dispatch", "0015_removed"),
        ("templates_app", "0003_deleted_templates"),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name="withheld",
            name="withheld_broadcast_or_text",
        ),
        migrations.AddField(
            model_name="withheld",
            name="channel",
            field=models.CharField(
                blank=True, choices=[("smtp", "smtp"), ("sms", "sms"), ("secure_hub", "secure_hub")], max_length=10
            ),
        ),
        migrations.AlterField(
            model_name="withheld",
            name="template_version",
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="+",
                to="templates_app.templateversion",
            ),
        ),
        # Until now a text waited over all its channels; mail servers are what refuses by the thousand.
        migrations.RunSQL(
            "UPDATE dispatch_withheld SET channel = 'smtp' WHERE template_version_id IS NOT NULL",
            migrations.RunSQL.noop,
        ),
        migrations.AddConstraint(
            model_name="withheld",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    models.Q(("broadcast__isnull", False), ("channel", ""), ("template_version__isnull", True)),
                    models.Q(
                        ("broadcast__isnull", True),
                        ("channel__in", ["smtp", "sms", "secure_hub"]),
                        ("template_version__isnull", False),
                    ),
                    _connector="OR",
                ),
                name="withheld_broadcast_or_text",
            ),
        ),
        migrations.AddConstraint(
            model_name="withheld",
            constraint=models.UniqueConstraint(fields=("template_version", "channel"), name="withheld_one_a_text"),
        ),
    ]
