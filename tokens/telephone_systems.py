"""What telephone systems call the values of a call, and where they want to be told which address to open."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.conf import settings
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _


@dataclass(frozen=True)
class TelephoneSystem:
    """A telephone system: its own placeholder for each of our parameters that it has a value for."""

    key: str  # in addresses
    name: str | Promise
    placeholders: Mapping[str, str]
    where: str | Promise  # where its administrator pastes the address
    note: str | Promise = ""


SYSTEMS = [
    TelephoneSystem(
        "five9",
        "Five9",
        {
            "did": "@Call.DNIS@",
            "cid": "@Call.ANI@",
            "call_id": "@Call.call_id@",
            "campaign_id": "@Call.campaign_id@",
        },
        _(
            "In the Five9 administrator, make a web connector with this address, started when the call is "
            "accepted, and give it to the campaigns. Let it open in the external browser: inside the agent desktop "
            "the session is withheld."
        ),
        _(
            "A connector that posts instead of opening the address works too. The campaign is Five9's own number."
        ),
    ),
    TelephoneSystem(
        "genesys",
        "Genesys Cloud",
        {
            "did": "{{did}}",
            "cid": "{{Scripter.Customer Formatted Number}}",
            "call_id": "{{Scripter.Interaction ID}}",
        },
        _(
            "In the script that the queue shows, let an action open this web address when the page loads. Give the "
            "script an input variable named did, and fill it with Call.CalledAddressOriginal in the flow's Set "
            "Screen Pop action: there is no built-in variable for the dialled number."
        ),
        _(
            "A Web Page component is a frame: there the agent is asked to open a tab. Scripts of outbound "
            "campaigns may add &campaign_id={{Outbound.Campaign ID}}."
        ),
    ),
    TelephoneSystem(
        "talkdesk",
        "Talkdesk",
        {
            "did": "{{talkdesk_phone_number}}",
            "cid": "{{contact_phone_number}}",
            "call_id": "{{call_id}}",
        },
        _(
            "In the integration's automations, choose the event of a call that begins, and the action that opens a "
            "web page for the agent; paste this address there."
        ),
        _(
            "Talkdesk writes these placeholders itself when a field is dropped into its form: Contact Center number, "
            "caller's number, Call ID. A campaign by number it does not know."
        ),
    ),
    TelephoneSystem(
        "cxone",
        "NICE CXone",
        {"did": "{DNIS}", "cid": "{ANI}", "call_id": "{ContactID}"},
        _(
            "In the Studio script, put POPURL after ONANSWER with this address as its URL (for the Salesforce agent: "
            "RUNAPP with OpenURL). Let it open a window of its own: a contact panel is a frame."
        ),
        _("To send a campaign, set a variable with ASSIGN and add &campaign_id={its name}."),
    ),
    TelephoneSystem(
        "connect",
        "Amazon Connect",
        {
            "did": "$.SystemEndpoint.Address",
            "cid": "$.CustomerEndpoint.Address",
            "call_id": "$.ContactId",
        },
        _(
            "Amazon Connect fills in nothing when a browser opens an address: build it in the flow from these "
            "references (Set contact attributes, or a Lambda function), and let the agent workspace's guide, or your "
            "page around the contact control panel, open the attribute."
        ),
    ),
    TelephoneSystem(
        "generic",
        _("Another system"),
        {"did": "{did}", "cid": "{cid}", "call_id": "{call_id}", "campaign_id": "{campaign_id}"},
        _(
            "Paste it where the system asks which address to open when a call comes in. Put the system's own variable "
            "in place of each pair of braces, and leave out what it does not know."
        ),
    ),
]


def pop_url(system: TelephoneSystem, *, group_id: int, subdomain: str) -> str:
    """The address for this system to open, its placeholders as it wants them: not encoded.

    Without a client (""), the dialled number decides which it is.
    """
    path = reverse("pop", args=[subdomain]) if subdomain else reverse("launcher")
    values = "".join(f"&{name}={placeholder}" for name, placeholder in system.placeholders.items())
    return f"{settings.PORTAL_URL}{path}?group={group_id}{values}"
