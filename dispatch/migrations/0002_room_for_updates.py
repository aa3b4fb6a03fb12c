"""Half of each page stays free on PostgreSQL: of a delivery's three updates the middle one then touches no index."""

from django.db import migrations


def set_fill_factor(apps, schema_editor, *, percent):
    if schema_editor.connection.vendor == "postgresql":
        schema_editor.execute(f"ALTER TABLE dispatch_delivery SET (fillfactor = {percent})")


def half(apps, schema_editor):
    set_fill_factor(apps, schema_editor, percent=50)


def full(apps, schema_editor):
    set_fill_factor(apps, schema_editor, percent=100)


class Migration(migrations.Migration):
    dependencies = [("dispatch", "0001_schema")]
    operations = [migrations.RunPython(half, full)]
