from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("dispatch", "0003_room_for_updates"),
    ]

    operations = [
        migrations.AddIndex(
            model_name="event",
            index=models.Index(
                condition=models.Q(("sealed__in", ["", "wiped"]), _negated=True), fields=["id"], name="event_sealed"
            ),
        ),
        migrations.AddConstraint(
            model_name="delivery",
            constraint=models.CheckConstraint(
                condition=models.Q(("priority__in", [0, 5, 9])), name="delivery_priority_known"
            ),
        ),
    ]
