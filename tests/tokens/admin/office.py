"""What is sent to the back office, and what is read of its pages."""

import re

from django.contrib.admin.models import LogEntry
from django.contrib.sessions.models import Session
from django.urls import reverse

from accounts.models import AdministratorSession, Event


def list_of(model: str, app: str = "tokens") -> str:
    return reverse(f"admin:{app}_{model}_changelist")


def page_of(row) -> str:
    return reverse(f"admin:{row._meta.app_label}_{row._meta.model_name}_change", args=[row.pk])


def shown_on(response) -> list[str]:
    """The values on the page that shows secrets."""
    assert response.status_code == 200, response
    return re.findall(r'<input id="shown-\d+"\s+type="text"\s+value="([^"]*)"', response.content.decode())


def errors_on(response) -> str:
    assert response.status_code == 200
    page = response.content.decode()
    assert "shown-1" not in page
    return " ".join(re.findall(r'<ul class="errorlist[^>]*>(.*?)</ul>', page, re.DOTALL))


def rows_of(prefix: str, *rows: dict) -> dict:
    """The fields of an inline form with these new rows."""
    fields = {f"{prefix}-TOTAL_FORMS": len(rows), f"{prefix}-INITIAL_FORMS": 0}
    for number, row in enumerate(rows):
        fields |= {f"{prefix}-{number}-{name}": value for name, value in row.items()}
    return fields


def act(office, row, action: str, **more):
    """Choose an action for one row in its list."""
    chosen = {"action": action, "_selected_action": row.pk, "index": 0}
    return office.post(list_of(row._meta.model_name), chosen | more)


def confirm(office, row, action: str):
    """Answer the question of an action with yes."""
    answer = {"action": action, "_selected_action": row.pk, "confirmed": "yes"}
    return office.post(list_of(row._meta.model_name), answer)


def every_kept_text(office) -> str:
    """All that an administrator's browser or a reader of the logs keeps."""
    kept = [*Event.objects.values(), *LogEntry.objects.values(), *Session.objects.values()]
    return str([*kept, *AdministratorSession.objects.values(), str(office.cookies)])
