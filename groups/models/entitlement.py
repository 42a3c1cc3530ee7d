"""Which group may enter which client, and what narrows that for one agent."""

from typing import ClassVar

from django.core.exceptions import ValidationError
from django.db import models
from django.db.models.functions import Now

from groups.models.agent import Agent
from groups.models.client import Campaign, Client, Department
from groups.models.group import Group


class Entitlement(models.Model):
    """This group may enter this client, as these departments, for these campaigns (none listed: all of them)."""

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="entitlements")
    client = models.ForeignKey(Client, on_delete=models.CASCADE, related_name="entitlements")
    departments = models.ManyToManyField(Department, through="EntitledDepartment", related_name="+")
    campaigns = models.ManyToManyField(Campaign, through="EntitledCampaign", related_name="+")
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["group", "client"], name="one_entitlement_a_client"),
        ]

    def __str__(self) -> str:
        return f"{self.group} → {self.client}"


class EntitledDepartment(models.Model):
    """A department that an entitlement lists. It cannot be deleted while listed: an emptied list would mean all."""

    entitlement = models.ForeignKey(Entitlement, on_delete=models.CASCADE)
    department = models.ForeignKey(Department, on_delete=models.PROTECT)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["entitlement", "department"], name="department_listed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.entitlement}: {self.department}"

    def clean(self) -> None:
        if self.department.client_id != self.entitlement.client_id:
            raise ValidationError("This department belongs to another client.")


class EntitledCampaign(models.Model):
    """A campaign that an entitlement lists. It cannot be deleted while listed: an emptied list would mean all."""

    entitlement = models.ForeignKey(Entitlement, on_delete=models.CASCADE)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["entitlement", "campaign"], name="campaign_listed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.entitlement}: {self.campaign}"

    def clean(self) -> None:
        if self.campaign.client_id != self.entitlement.client_id:
            raise ValidationError("This campaign belongs to another client.")


class AgentEntitlement(models.Model):
    """One of the group's clients that an agent whose `all_clients` is off may enter.

    Campaigns listed here narrow that client's for any agent (none listed: all of the entitlement's).
    """

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="narrowings")
    entitlement = models.ForeignKey(Entitlement, on_delete=models.CASCADE, related_name="narrowings")
    campaigns = models.ManyToManyField(Campaign, through="AgentCampaign", related_name="+")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["agent", "entitlement"], name="one_narrowing_a_client"),
        ]

    def __str__(self) -> str:
        return f"{self.agent}: {self.entitlement}"

    def clean(self) -> None:
        if self.agent.group_id != self.entitlement.group_id:
            raise ValidationError("This agent belongs to another group.")


class AgentCampaign(models.Model):
    """A campaign that an agent's narrowing lists. Not deletable while listed: an emptied list would mean all."""

    narrowing = models.ForeignKey(AgentEntitlement, on_delete=models.CASCADE)
    campaign = models.ForeignKey(Campaign, on_delete=models.PROTECT)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["narrowing", "campaign"], name="agent_campaign_listed_once"),
        ]

    def __str__(self) -> str:
        return f"{self.narrowing}: {self.campaign}"

    def clean(self) -> None:
        if self.campaign.client_id != self.narrowing.entitlement.client_id:
            raise ValidationError("This campaign belongs to another client.")
