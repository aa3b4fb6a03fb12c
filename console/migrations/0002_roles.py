"""Makes the roles that come with the product."""

from django.db import migrations

from console.accounts import roles


def install(apps, schema_editor):
    roles.install(apps)


class Migration(migrations.Migration):
    dependencies = [
        ("foundation", "0001_initial"),
        ("console", "0001_initial"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("devices", "0001_initial"),
        ("servers", "0001_initial"),
        ("templates_app", "0001_initial"),
        ("actions", "0001_initial"),
        ("dispatch", "0001_initial"),
        ("enrollment", "0001_initial"),
        ("api", "0001_initial"),
    ]
    operations = [migrations.RunPython(install, migrations.RunPython.noop)]
