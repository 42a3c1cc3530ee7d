"""A group's colour and logo: what can be read and seen, and what is left of an uploaded picture."""

import contextlib
import io
import random
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from accounts.models import Event
from groups import branding
from groups.branding import (
    NEAR_BLACK,
    WHITE,
    UnusableLogo,
    brand_of,
    change_look,
    contrast,
    is_readable,
    look_of,
    nearest_readable,
    panel_of,
    plate_of,
    read_logo,
    stylesheet,
)
from groups.changing_settings import stamp_of
from groups.models import GroupLogo
from sso_portal.lib.refusals import Refused
from tests import factories

pytestmark = pytest.mark.django_db
COLOURS = st.integers(0, 0xFFFFFF).map(lambda number: f"#{number:06x}")


def picture(colour="white", *, size=(300, 100), kind="PNG", mode="RGBA", **options) -> bytes:
    """A picture with a bar of this colour across its middle; transparent around it where the format can."""
    image = Image.new(mode, size, (0, 0, 0, 0) if mode == "RGBA" else "white")
    image.paste(Image.new(mode, (size[0] // 2, size[1] // 2), colour), (size[0] // 4, size[1] // 4))
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


# --- Colour ------------------------------------------------------------------------------------------------------


def test_contrast_of_black_and_white_is_the_greatest():
    assert round(contrast("#000000", "#ffffff"), 2) == 21


@given(COLOURS)
def test_nearest_readable_colour_is_readable(colour):
    assert is_readable(nearest_readable(colour))


@given(COLOURS)
def test_text_is_readable_everywhere_on_the_panel(colour):
    colour = nearest_readable(colour)
    for panel in (panel_of(colour), panel_of(colour, dark=True)):
        for ink in (panel.ink, panel.soft):
            assert min(contrast(ink, panel.panel), contrast(ink, panel.deep)) >= 4.5


@given(COLOURS)
def test_dark_theme_is_dark(colour):
    assert branding.luminance(panel_of(colour, dark=True).panel) < 0.07


@pytest.mark.parametrize(("colour", "ink"), [("#ffcc00", NEAR_BLACK), ("#0a5a64", WHITE)])
def test_text_is_dark_on_light_colours_and_light_on_dark_ones(colour, ink):
    assert panel_of(colour).ink == ink


def test_colour_between_is_moved_a_little():
    assert nearest_readable("#0077dd") == "#0076db"


def test_stylesheet_holds_the_colours_of_both_themes():
    assert "--panel: light-dark(#ffcc00, #564300);" in stylesheet("#ffcc00", None)


@pytest.mark.parametrize("colour", ["", "red;} body{display:none", "#FFFFFF", "#fffffff"])
def test_stylesheet_holds_nothing_that_is_no_checked_colour(colour):
    assert stylesheet(colour, None) == "@layer page {\n  .brand, .deskbar, .preview {\n  }\n}\n"


def test_cord_is_never_lost_on_the_panel():
    assert panel_of("#d4921f").cord == NEAR_BLACK


# --- Logo --------------------------------------------------------------------------------------------------------


def opened(png: bytes) -> Image.Image:
    return Image.open(io.BytesIO(png), formats=["PNG"])


@pytest.mark.parametrize(
    ("kind", "mode"), [("PNG", "RGBA"), ("JPEG", "RGB"), ("WEBP", "RGBA"), ("JPEG", "CMYK")]
)
def test_logo_becomes_a_png(kind, mode):
    colour = "white" if mode == "RGBA" else "red" if mode == "RGB" else (0, 255, 255, 0)

    assert opened(read_logo(picture(colour, kind=kind, mode=mode))).format == "PNG"


def test_logo_is_scaled_down_in_its_proportions_and_trimmed():
    assert opened(read_logo(picture(size=(2000, 1000)))).size == (320, 160)


def test_small_logo_keeps_its_size():
    assert opened(read_logo(picture(size=(60, 20)))).size == (30, 10)


def test_logo_keeps_nothing_but_its_pixels():
    told = PngImagePlugin.PngInfo()
    told.add_text("Comment", "taken at home", zip=True)
    exif = Image.Exif()
    exif[0x010E] = "taken at home"

    png = read_logo(picture(pnginfo=told, exif=exif, icc_profile=b"profile"))

    chunks = [
        png[i : i + 4] for i in range(len(png)) if png[i : i + 4] in (b"tEXt", b"zTXt", b"eXIf", b"iCCP")
    ]
    assert not chunks
    assert opened(png).info == {}


def test_logo_is_turned_as_the_camera_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn

    assert opened(read_logo(picture("red", kind="JPEG", mode="RGB", exif=exif, size=(120, 60)))).size == (
        60,
        120,
    )


def bomb() -> bytes:
    """A PNG of a few kilobytes that says it is 30,000 × 30,000 pixels."""
    small = bytearray(picture())
    small[16:24] = (30000).to_bytes(4) * 2
    small[29:33] = zlib.crc32(bytes(small[12:29])).to_bytes(4)
    return bytes(small)


@pytest.mark.parametrize(
    ("upload", "why"),
    [
        (b"", "PNG, JPEG or WebP"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "PNG, JPEG or WebP"),
        (picture(kind="GIF", mode="RGB"), "PNG, JPEG or WebP"),
        (picture()[:200], "PNG, JPEG or WebP"),
        (picture(size=(2001, 10)), "2,000"),
        (bomb(), "2,000"),
        (b"\x89PNG" + bytes(200 * 1024), "200 KB"),
        (picture((0, 0, 0, 0)), "transparent"),
    ],
    ids=["empty", "svg", "gif", "cut off", "too wide", "bomb", "too heavy", "nothing to see"],
)
def test_unusable_logo_is_refused_in_words(upload, why):
    with pytest.raises(UnusableLogo, match=why):
        read_logo(upload)


def test_broken_picture_is_refused_and_never_an_error():
    chance = random.Random(7)
    whole = {kind: picture("red", kind=kind, mode="RGB") for kind in ("PNG", "JPEG", "WEBP")}
    for _ in range(300):
        broken = bytearray(whole[chance.choice(list(whole))])
        for _ in range(chance.randrange(1, 6)):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        with contextlib.suppress(UnusableLogo):
            assert read_logo(bytes(broken)).startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("logo", "colour", "plate"),
    [("white", "", ""), ("#0a3b44", "", WHITE), ("white", "#ffffff", NEAR_BLACK), ("#ffcc00", "#0a5a64", "")],
)
def test_logo_that_would_not_be_seen_gets_a_plate(logo, colour, plate):
    assert plate_of(read_logo(picture(logo)), colour) == plate


def test_plate_is_in_the_stylesheet():
    assert "--plate: #ffffff;" in stylesheet("", read_logo(picture("black")))


# --- Keeping and showing -----------------------------------------------------------------------------------------


@pytest.fixture
def look(owner, group, caller):
    """Change the group's look as its owner, who saw it as it is."""
    by = owner.memberships.get()

    def look(colour="", logo=None, *, remove_logo=False, shown=None):
        group.refresh_from_db()
        shown = shown or stamp_of(look_of(group))
        change_look(colour=colour, logo=logo, remove_logo=remove_logo, shown=shown, by=by, caller=caller)
        group.refresh_from_db()

    return look


def test_group_without_a_look_has_the_products(group):
    assert brand_of(group) == branding.Brand()


def test_look_is_kept_and_recorded(look, group):
    logo = read_logo(picture())

    look("#0a5a64", logo)

    digest = GroupLogo.objects.get().digest
    assert (group.colour, bytes(group.logo.image)) == ("#0a5a64", logo)
    event = Event.objects.get(action="group.change_settings")
    assert event.details == {"colour": ["", "#0a5a64"], "logo": ["", digest]}


def test_logo_is_replaced_and_removed(look, group):
    look(logo=read_logo(picture("white")))
    look(logo=read_logo(picture("red")))
    look(remove_logo=True)

    assert not GroupLogo.objects.exists()
    assert Event.objects.filter(action="group.change_settings").count() == 3


def test_look_that_somebody_changed_meanwhile_is_left_alone(look, group):
    shown = stamp_of(look_of(group))
    look("#0a5a64")

    with pytest.raises(Refused):
        look("#ffcc00", shown=shown)

    group.refresh_from_db()
    assert group.colour == "#0a5a64"


def test_address_changes_with_the_look(look, group):
    look("#0a5a64")
    before = brand_of(group).stylesheet
    look("#0a5a64", read_logo(picture()))

    assert before != brand_of(group).stylesheet


def test_sign_in_page_wears_the_look(look, group, client):
    look("#0a5a64", read_logo(picture()))

    page = client.get(f"/sso/sign-in?group={group.pk}").content.decode()

    assert f'<link rel="stylesheet" href="{brand_of(group).stylesheet}">' in page
    assert f'src="{brand_of(group).logo}" alt="Northwind"' in page
    assert "style=" not in page


def test_stylesheet_is_served_for_good(look, group, client):
    look("#ffcc00")

    answer = client.get(brand_of(group).stylesheet)

    assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer.headers["Cache-Control"]
    assert b"#ffcc00" in answer.content


def test_logo_is_served_for_good(look, group, client):
    look(logo=read_logo(picture()))

    answer = client.get(brand_of(group).logo)

    assert answer.headers["Content-Type"] == "image/png"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "immutable" in answer.headers["Cache-Control"]
    assert answer.content == bytes(group.logo.image)


@pytest.mark.parametrize("of", ["stylesheet", "logo"])
def test_look_under_another_digest_or_group_is_missing(look, group, client, of, other_group):
    look("#ffcc00", read_logo(picture()))
    address = getattr(brand_of(group), of)
    digest = address.rsplit("/", 1)[1]

    for wrong in (
        address.replace(digest[:16], "0" * 16),
        address.replace(f"/{group.pk}/", f"/{other_group.pk}/"),
    ):
        answer = client.get(wrong)
        assert (answer.status_code, answer.headers["Cache-Control"]) == (404, "no-store")


def test_look_of_an_inactive_group_is_missing(look, group, client):
    look("#ffcc00", read_logo(picture()))
    group.is_active = False
    group.save()

    assert client.get(brand_of(group).stylesheet).status_code == 404
    assert client.get(brand_of(group).logo).status_code == 404


def test_launcher_wears_the_look(look, group, client, agent, settings):
    look("#0a5a64", read_logo(picture()))
    client.cookies[settings.AGENT_COOKIE_NAME] = "as_x"
    factories.AgentSessionFactory(agent=agent, secret="as_x")

    page = client.get(f"/sso/group?group={group.pk}").content.decode()

    assert brand_of(group).stylesheet in page
    assert brand_of(group).logo in page
