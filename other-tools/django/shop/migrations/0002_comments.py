import django.db.models.deletion
from django.db import migrations, models


def nobody(apps, schema_editor):
    apps.get_model("shop", "Note").objects.filter(author="").update(author="nobody")


class Migration(migrations.Migration):
    dependencies = [("shop", "0001_initial"), ("customers", "0001_initial")]

    operations = [
        migrations.AddField(model_name="note", name="author", field=models.TextField(default="")),
        migrations.AddField(
            model_name="note",
            name="owner",
            field=models.ForeignKey(
                null=True, on_delete=django.db.models.deletion.CASCADE, to="customers.client"
            ),
        ),
        migrations.CreateModel(
            name="Comment",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("body", models.TextField()),
                ("note", models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, to="shop.note")),
            ],
        ),
        migrations.RunPython(nobody, migrations.RunPython.noop),
    ]
