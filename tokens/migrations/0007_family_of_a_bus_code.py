import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("tokens", "0006_scope_of_access_tokens"),
    ]

    operations = [
        migrations.AddField(
            model_name="tokenfamily",
            name="bus_code",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="family",
                to="tokens.buscode",
            ),
        ),
    ]
