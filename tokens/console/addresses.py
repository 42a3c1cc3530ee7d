"""The address list of a group: from where its software may call."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.humanize.templatetags.humanize import intcomma
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from groups.console.access import show
from groups.models import NAME_LENGTH, Group, Membership, validate_text
from sso_portal.lib.addresses import Network, network_of, parse_address
from sso_portal.lib.refusals import Refused
from sso_portal.lib.web import caller_of
from tokens.console.changing import asks_and_does, back_to_keys, change_keys, form_of, show_refused
from tokens.keys import add_rule, remove_rule
from tokens.models import AddressRule

WIDEST = {4: 16, 6: 32}  # prefix lengths: a wider network is asked about


@dataclass(frozen=True)
class ListedRule:
    """A row of the address list, and what a person would want to know of it."""

    rule: AddressRule
    name: str
    size: str
    inside: str  # another network of the list that it lies in

    @property
    def in_words(self) -> str:
        """The network, with whose it is."""
        return f"{self.name} ({self.rule.note})" if self.rule.note else self.name


class CheckForm(forms.Form):
    """An address that software calls from."""

    address = forms.CharField(
        label=gettext_lazy("Would this address be let in?"),
        max_length=64,
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false", "inputmode": "url"}),
    )

    def clean_address(self) -> Any:
        if (address := parse_address(self.cleaned_data["address"])) is None:
            raise forms.ValidationError(_("This is not an address, like 203.0.113.7 or 2001:db8::7."))
        return address


class AddressForm(forms.Form):
    """A network to add."""

    network = forms.CharField(
        label=gettext_lazy("Address or network"),
        max_length=64,
        help_text=gettext_lazy("Like 203.0.113.7, 203.0.113.0/24 or 2001:db8::/48."),
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )
    note = forms.CharField(
        label=gettext_lazy("Note"),
        max_length=NAME_LENGTH,
        required=False,
        validators=[validate_text],
        help_text=gettext_lazy("Whose address it is, like “dialers in Leeds”."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def clean_network(self) -> Network:
        network = network_of(self.cleaned_data["network"])
        if network is None:
            raise forms.ValidationError(_("This is not an address or network, like 203.0.113.0/24."))
        return network


@change_keys
@asks_and_does
def new_address(request: HttpRequest, membership: Membership) -> HttpResponseBase:
    """Add a network to the address list; asks first where it is very wide."""
    form = form_of(AddressForm, request)
    context = {"own_address": caller_of(request).address_text}
    if request.method == "POST" and form.is_valid():
        network, note = form.cleaned_data["network"], form.cleaned_data["note"]
        if _is_wide(network) and request.POST.get("sure") != str(network):
            return _ask_about_wide(request, membership, network, note)
        try:
            rule = add_rule(
                membership.group, network=network, note=note, by=membership.actor, caller=caller_of(request)
            )
        except Refused as refused:
            return show_refused(request, membership, form, refused, "tokens/keys_address.html", context)
        messages.success(request, " ".join(_added(rule, typed=request.POST["network"])))
        return back_to_keys(membership)
    return show(request, membership, "tokens/keys_address.html", {"tab": "keys", "form": form} | context)


@change_keys
@asks_and_does
def remove_address(request: HttpRequest, membership: Membership, rule_id: str) -> HttpResponseBase:
    """Take a network off the address list; asks first."""
    rule = get_object_or_404(AddressRule, group=membership.group, pk=rule_id)
    rule.group = membership.group
    names = {"network": name_of(rule.range)}
    if request.method == "POST":
        remove_rule(rule, by=membership.actor, caller=caller_of(request))
        messages.success(request, _("%(network)s was taken off the list.") % names)
        return back_to_keys(membership)
    others = AddressRule.objects.filter(group=membership.group).exclude(pk=rule.pk)
    around = [other for other in others if _lies_in(rule.range, other.range)]
    if not others:
        text = _("It is the last one. Without it nobody can call: every call is refused, whatever its key.")
    elif around:
        text = _("It lies in %(around)s, which stays: nobody loses anything.") % {
            "around": name_of(around[0].range)
        }
    else:
        text = _("Calls from there are refused from the next one on, whatever their key.")
    context = {
        "tab": "keys",
        "title": _("Take %(network)s off the list?") % names,
        "text": text,
        "items": [rule.note] if rule.note else [],
        "button": _("Take it off the list"),
        "kind": "danger",
        "action": request.path,
        "cancel_url": reverse("keys", args=[membership.group.pk]),
    }
    return show(request, membership, "groups/confirm.html", context)


def rules_of(group: Group) -> list[ListedRule]:
    """The address list in the order of its networks, so that one follows the one that it lies in."""
    rules = sorted(group.address_rules.all(), key=lambda rule: (rule.range.version, rule.range))
    listed, around = [], list[AddressRule]()
    for rule in rules:
        while around and not _lies_in(rule.range, around[-1].range):
            around.pop()
        inside = name_of(around[-1].range) if around else ""
        listed.append(ListedRule(rule, name_of(rule.range), size_of(rule.range), inside))
        around.append(rule)
    return listed


def answer_check(form: CheckForm, rules: Sequence[ListedRule]) -> dict[str, Any] | None:
    """Whether the address lies in one of the networks, in words."""
    if not form.is_bound or not form.is_valid():
        return None
    address = form.cleaned_data["address"]
    names = {"address": address, "number": len(rules)}
    for listed in rules:
        if address in listed.rule.range:
            text = _("Yes, %(address)s is let in by %(network)s.")
            return {"is_in": True, "text": text % (names | {"network": listed.in_words})}
    if not rules:
        return {"is_in": False, "text": _("No: the list is empty.")}
    text = ngettext(
        "No, %(address)s is not in the %(number)d network of the list.",
        "No, %(address)s is in none of the %(number)d networks of the list.",
        len(rules),
    )
    return {"is_in": False, "text": text % names}


def _ask_about_wide(
    request: HttpRequest, membership: Membership, network: Network, note: str
) -> HttpResponseBase:
    names = {"network": network, "size": size_of(network)}
    if network.prefixlen == 0:
        text = _(
            "Everybody on the internet may try keys then. A key that leaks is worth something everywhere."
        )
    else:
        text = (
            _("That is %(size)s. Most software calls from a few: ask its maker for the exact ones.") % names
        )
    context = {
        "tab": "keys",
        "title": _("Let %(network)s call?") % names,
        "text": text,
        "items": [note] if note else [],
        "hidden": [("network", str(network)), ("note", note), ("sure", str(network))],
        "button": _("Add it all the same"),
        "kind": "danger",
        "action": request.path,
        "cancel_url": f"{request.path}?network={network}",
    }
    return show(request, membership, "groups/confirm.html", context)


def _added(rule: AddressRule, *, typed: str) -> list[str]:
    """What there is to say of a network that was added."""
    name = name_of(rule.range)
    others = [other.range for other in AddressRule.objects.filter(group=rule.group).exclude(pk=rule.pk)]
    said = [_("%(network)s was added.") % {"network": name}]
    if "/" in typed and parse_address(typed.partition("/")[0]) != rule.range.network_address:
        said.append(_("You typed %(typed)s, which is an address inside it.") % {"typed": typed.strip()})
    if around := [other for other in others if _lies_in(rule.range, other)]:
        said.append(_("It was already inside %(network)s.") % {"network": name_of(around[0])})
    if within := [other for other in others if _lies_in(other, rule.range)]:
        networks = ", ".join(name_of(other) for other in within[:5])
        said.append(_("It takes in %(networks)s.") % {"networks": networks})
    return said


def _is_wide(network: Network) -> bool:
    return network.prefixlen < WIDEST[network.version]


def _lies_in(network: Network, other: Network) -> bool:
    """Whether the one network is part of the other."""
    return (
        network.version == other.version
        and network.prefixlen >= other.prefixlen
        and network.network_address in other
    )


def name_of(network: Network) -> str:
    """The network as people write it: an address alone without a length."""
    return str(network.network_address) if network.prefixlen == network.max_prefixlen else str(network)


def size_of(network: Network) -> str:
    """How much a network is, in words."""
    if network.prefixlen == 0:
        return _("every IPv%(version)d address there is") % {"version": network.version}
    if network.version == 4 or network.num_addresses == 1:
        number = network.num_addresses
        return ngettext("1 address", "%(number)s addresses", number) % {"number": intcomma(number)}
    if network.prefixlen > 64:
        return _("part of a network")
    networks = 2 ** (64 - network.prefixlen)
    return ngettext("1 network (/64)", "%(number)s networks (/64)", networks) % {"number": intcomma(networks)}
