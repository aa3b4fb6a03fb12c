"""Makes the roles that come with the product."""

from django.db import migrations

from console.accounts import roles


def install(apps, schema_editor):
    roles.install(apps)


class Migration(migrations.Migration):
    dependencies = [
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("foundation", "0001_schema"),
        ("console", "0001_schema"),
        ("devices", "0001_schema"),
        ("servers", "0001_schema"),
        ("templates_app", "0001_schema"),
        ("dispatch", "0001_schema"),
        ("api", "0001_schema"),
    ]
    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
