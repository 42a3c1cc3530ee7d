import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('groups', '0005_client_people_and_hand_offs'),
        ('tokens', '0003_relying_parties_without_secrets'),
    ]

    operations = [
        migrations.AddField(
            model_name='persontoken',
            name='use',
            field=models.CharField(
                choices=[
                    ('entrance', 'to be opened at the portal, where it begins a session'),
                    ('hand_off', "to be redeemed by the client's relying party"),
                    ('signed', 'told in full by a signed hand-off: nothing to redeem'),
                ],
                default='entrance',
                max_length=16,
            ),
            preserve_default=False,
        ),
        migrations.AddField(
            model_name='persontoken',
            name='session',
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name='+',
                to='groups.clientsession',
            ),
        ),
        migrations.AddField(
            model_name='persontoken',
            name='redeemed_by',
            field=models.ForeignKey(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name='+',
                to='tokens.relyingparty',
            ),
        ),
        migrations.AddConstraint(
            model_name='persontoken',
            constraint=models.CheckConstraint(
                condition=models.Q(('use__in', ['entrance', 'hand_off', 'signed'])), name='person_token_use_known'
            ),
        ),
    ]
