"""A group's look on its agents' pages: a colour that text can be read on, and a logo that the portal drew anew."""

import hashlib
import io
import re
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.urls import reverse
from django.utils.translation import gettext as _
from PIL import Image, ImageOps

from accounts import audit
from groups.changing_settings import refuse_stale
from groups.members import lock_group
from groups.models import Group, GroupLogo, Membership, Permission
from sso_portal.lib.web import Caller

WHITE, NEAR_BLACK = "#ffffff", "#0d1315"
OWN_PANEL = ("#0a3b44", "#0a2329")  # the product's, in light and dark: css/tokens.css
OWN_CORD = ("#d4921f", "#e3ab48")
READABLE = 4.5  # contrast of text (WCAG 2.2, 1.4.3)
CORD_SEEN = 1.8  # contrast of the cord, which is an ornament
SEEN = 2.0  # contrast of a picture's part that still stands out
ENOUGH_SEEN = 0.6  # of a logo's opaque pixels
DARKEST_NEEDED = 0.06  # luminance of the panel at most, in the dark theme
LARGEST_FILE = 200 * 1024  # bytes
LARGEST_SIDE = 2000  # pixels
LOGO_SIZE = (480, 160)
FORMATS = ("PNG", "JPEG", "WEBP")
VERSION = "1"  # of the stylesheet below: another one has another address
HEX = re.compile(r"#[0-9a-f]{6}")

Rgb = tuple[float, float, float]  # linear light, 0 to 1


class UnusableLogo(ValueError):
    """The picture cannot be a logo; the text says why, for people."""


@dataclass(frozen=True)
class Panel:
    """The colours of the panel on the agents' pages, in one theme."""

    panel: str
    deep: str
    ink: str
    soft: str
    ring: str
    lamp: str
    cord: str


@dataclass(frozen=True)
class Brand:
    """Where the agents' pages find their group's look; "" where the product's own is used."""

    stylesheet: str = ""
    logo: str = ""


def brand_of(group: Group) -> Brand:
    """The addresses of the group's look. Each holds a digest, so that browsers may keep what is there for good."""
    digest = GroupLogo.objects.filter(group=group).values_list("digest", flat=True).first() or ""
    if not group.colour and not digest:
        return Brand()
    return Brand(
        reverse("agent_stylesheet", args=[group.pk, look_digest(group.colour, digest)]),
        reverse("agent_logo", args=[group.pk, digest]) if digest else "",
    )


def look_digest(colour: str, logo_digest: str) -> str:
    """What names a stylesheet: it changes with whatever the stylesheet is made of."""
    return hashlib.sha256(f"{VERSION} {colour} {logo_digest}".encode()).hexdigest()[:16]


def stylesheet(colour: str, logo: bytes | None) -> str:
    """The group's colours over the product's. Nothing but colours that were checked gets into it."""
    rules = []
    if HEX.fullmatch(colour):
        light, dark = panel_of(colour), panel_of(colour, dark=True)
        for name, by_day, by_night in (
            ("panel", light.panel, dark.panel),
            ("panel-deep", light.deep, dark.deep),
            ("panel-ink", light.ink, dark.ink),
            ("panel-soft", light.soft, dark.soft),
            ("panel-ring", light.ring, dark.ring),
            ("panel-lamp", light.lamp, dark.lamp),
            ("cord", light.cord, dark.cord),
        ):
            rules.append(f"    --{name}: light-dark({by_day}, {by_night});")
    if logo is not None and (plate := plate_of(logo, colour)):
        rules.append(f"    --plate: {plate};")
        rules.append("    --plate-room: 0.5rem;")
    return "\n".join(["@layer page {", "  .brand, .deskbar, .preview {", *rules, "  }", "}", ""])


def panel_of(colour: str, *, dark: bool = False) -> Panel:
    """The panel in this colour; darkened for the dark theme, its text white or nearly black."""
    light = _linear(colour)
    if dark and luminance(colour) > DARKEST_NEEDED:
        share = DARKEST_NEEDED / luminance(colour)
        light = (light[0] * share, light[1] * share, light[2] * share)
    panel = _hex(light)
    ink = _ink_on(panel)
    # Away from the text's colour, so that the far end of the gradient is never harder to read.
    deep = _mix(panel, "#000000", 0.3) if ink == WHITE else _mix(panel, WHITE, 0.25)
    soft, cord = _mix(ink, panel, 0.2), OWN_CORD[dark]
    return Panel(
        panel,
        deep,
        ink,
        soft=soft if contrast(soft, panel) >= READABLE else ink,
        ring=_mix(panel, ink, 0.5),
        lamp=_mix(panel, ink, 0.25),
        cord=cord if contrast(cord, panel) >= CORD_SEEN else ink,
    )


def is_readable(colour: str) -> bool:
    """Whether white or nearly black text can be read on this colour, in both themes."""
    panels = (panel_of(colour), panel_of(colour, dark=True))
    return all(contrast(panel.ink, panel.panel) >= READABLE for panel in panels)


def nearest_readable(colour: str) -> str:
    """The colour itself when text can be read on it, else the nearest one, a little darker or lighter."""
    if is_readable(colour):
        return colour
    for step in range(1, 101):
        for end in ("#000000", WHITE):
            if is_readable(near := _mix(colour, end, step / 100)):
                return near
    return OWN_PANEL[0]  # never: black and white are readable


def read_logo(upload: bytes) -> bytes:
    """The uploaded picture, drawn anew as a PNG of at most 480 × 160 with nothing else in it. Raises UnusableLogo."""
    if len(upload) > LARGEST_FILE:
        raise UnusableLogo(_("This file is larger than 200 KB. Please save it smaller."))
    too_large = UnusableLogo(_("This picture is larger than 2,000 × 2,000 pixels. Please scale it down."))
    try:
        with Image.open(io.BytesIO(upload), formats=FORMATS) as picture:
            if max(picture.size) > LARGEST_SIDE:  # known before a single pixel is decoded
                raise too_large
            drawn = ImageOps.exif_transpose(picture).convert("RGBA")
    except UnusableLogo:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
        raise too_large from bomb
    except Exception as unreadable:  # a decoder raises whatever it trips over
        raise UnusableLogo(
            _("This is not a picture that can be read. Please use PNG, JPEG or WebP.")
        ) from unreadable
    visible = drawn.getchannel("A").point(lambda alpha: 255 if alpha > 16 else 0).getbbox()
    if visible is None:
        raise UnusableLogo(_("This picture is empty: every part of it is transparent."))
    drawn = drawn.crop(visible)
    drawn.thumbnail(LOGO_SIZE, Image.Resampling.LANCZOS)
    clean = Image.new("RGBA", drawn.size)
    clean.paste(drawn)  # pixels alone: no profile, no comments, no place where it was taken
    png = io.BytesIO()
    clean.save(png, "PNG", optimize=True)
    return png.getvalue()


def plate_of(logo: bytes, colour: str) -> str:
    """The colour of the plate that the logo needs to be seen on the panel; "" when it needs none."""
    panels = (panel_of(colour).panel, panel_of(colour, dark=True).panel) if colour else OWN_PANEL
    pixels = _opaque_pixels(logo)
    if all(_share_seen(pixels, panel) >= ENOUGH_SEEN for panel in panels):
        return ""
    return max((WHITE, NEAR_BLACK), key=lambda plate: _share_seen(pixels, plate))


def change_look(
    *, colour: str, logo: bytes | None, remove_logo: bool, shown: str, by: Membership, caller: Caller
) -> None:
    """Set the colour ("" for the product's), and replace or remove the logo; None leaves it as it is.

    `shown` is the stamp of the look that the administrator saw. Raises Refused when it is another one by now.
    """
    with transaction.atomic():
        group = lock_group(by, Permission.MANAGE_SETTINGS)
        old = look_of(group)
        refuse_stale(old, shown=shown, by=by)
        new = {"colour": colour, "logo": old["logo"]}
        if logo is not None:
            new["logo"] = hashlib.sha256(logo).hexdigest()[:16]
            GroupLogo.objects.update_or_create(group=group, defaults={"image": logo, "digest": new["logo"]})
        elif remove_logo:
            new["logo"] = ""
            GroupLogo.objects.filter(group=group).delete()
        changed = {name: [old[name], new[name]] for name in new if old[name] != new[name]}
        if changed:
            Group.objects.filter(pk=group.pk).update(colour=colour)
            audit.record("group.change_settings", caller=caller, actor=by.actor, group=group, details=changed)


def look_of(group: Group) -> dict[str, str]:
    """The group's colour, and its logo's digest."""
    digest = GroupLogo.objects.filter(group=group).values_list("digest", flat=True).first()
    return {"colour": group.colour, "logo": digest or ""}


def luminance(colour: str) -> float:
    """The relative luminance of a colour, 0 (black) to 1 (white) (WCAG 2.2)."""
    return _luminance(_linear(colour))


def contrast(one: str, other: str) -> float:
    """The contrast of two colours, 1 to 21 (WCAG 2.2)."""
    return _contrast(luminance(one), luminance(other))


def _contrast(one: float, other: float) -> float:
    return (max(one, other) + 0.05) / (min(one, other) + 0.05)


def _luminance(light: Rgb) -> float:
    return 0.2126 * light[0] + 0.7152 * light[1] + 0.0722 * light[2]


def _linear(colour: str) -> Rgb:
    red, green, blue = (_decoded(int(colour[i : i + 2], 16)) for i in (1, 3, 5))
    return red, green, blue


def _decoded(value: int) -> float:
    share = value / 255
    return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)


def _hex(light: Rgb) -> str:
    return "#" + "".join(f"{_encoded(share):02x}" for share in light)


def _encoded(share: float) -> int:
    value = 12.92 * share if share <= 0.0031308 else 1.055 * share ** (1 / 2.4) - 0.055
    return round(255 * min(max(value, 0), 1))


def _mix(colour: str, other: str, share: float) -> str:
    """The colour with this share of another, as painters see it: mixed in the encoded values."""
    pairs = [(int(colour[i : i + 2], 16), int(other[i : i + 2], 16)) for i in (1, 3, 5)]
    return "#" + "".join(f"{round(one + (two - one) * share):02x}" for one, two in pairs)


def _ink_on(panel: str) -> str:
    return max((WHITE, NEAR_BLACK), key=lambda ink: contrast(ink, panel))


def _opaque_pixels(logo: bytes) -> list[tuple[float, int]]:
    """Luminance and weight of a sample of the pixels that can be seen."""
    with Image.open(io.BytesIO(logo), formats=["PNG"]) as picture:
        sample = picture.convert("RGBA").reduce(max(1, picture.width // 120))
    counted: Any = sample.getcolors(sample.width * sample.height) or []
    return [
        (_luminance((_decoded(r), _decoded(g), _decoded(b))), times * alpha)
        for times, (r, g, b, alpha) in counted
        if alpha > 16
    ]


def _share_seen(pixels: list[tuple[float, int]], ground: str) -> float:
    behind = luminance(ground)
    seen = sum(weight for light, weight in pixels if _contrast(light, behind) >= SEEN)
    return seen / (sum(weight for _light, weight in pixels) or 1)
