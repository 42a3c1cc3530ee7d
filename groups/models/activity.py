"""What is kept beside the audit log so that pages need not count it again."""

from typing import ClassVar

from django.db import models

from groups.models.group import Group


class HalfHour(models.Model):
    """How many logins a group's agents were given and refused in a half hour that is over, counted once."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="half_hours")
    begins_at = models.DateTimeField()
    issued = models.PositiveIntegerField()
    refused = models.PositiveIntegerField()

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "begins_at"], name="half_hour_counted_once"),
        ]

    def __str__(self) -> str:
        return f"{self.group} {self.begins_at}: {self.issued}"
