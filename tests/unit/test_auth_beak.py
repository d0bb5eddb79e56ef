"""Finding a beak in a picture, and telling one from another."""

import time
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID, uuid4

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFilter

from auth_service.domain.beak import LENGTH, describe, distances, from_bytes, to_bytes
from auth_service.domain.gallery import Gallery
from auth_service.domain.segments import Picture
from auth_service.domain.sight import find_beak
from auth_service.errors import (
    AmbiguousBeak,
    BeakCutOff,
    BeakTaken,
    BeakTooSmall,
    NoBeakVisible,
    PhotoBlurred,
    SeveralBeaks,
    UnknownBeak,
    UnusablePhoto,
)
from tests.unit.auth_photos import parrot, shape_of, snapshot

KESHA, GOSHA = uuid4(), uuid4()
CORNERS = [(150, 150), (300, 140), (390, 220), (380, 330), (330, 260), (240, 270), (160, 250)]


def paper(colour: str = "white", size: tuple[int, int] = (480, 480)) -> Image.Image:
    return Image.new("RGB", size, colour)


def drawn(corners: list[tuple[int, int]] = CORNERS, *, beak: str = "black", around: str = "white") -> Picture:
    image = paper(around)
    ImageDraw.Draw(image).polygon(corners, fill=beak)
    return np.asarray(image)


def apart(one: Picture, other: Picture) -> float:
    return float(distances(shape_of(one), shape_of(other)[None])[0])


def blurred(sigma: float) -> Picture:
    return np.asarray(Image.fromarray(parrot("kesha")).filter(ImageFilter.GaussianBlur(sigma)))


def pasted(side: int, *, on: str = "#cde") -> Picture:
    image = paper(on)
    image.paste(Image.fromarray(parrot("kesha")).resize((side, side), Image.Resampling.LANCZOS), (60, 60))
    return np.asarray(image)


def with_disc() -> Picture:
    image = paper()
    ImageDraw.Draw(image).ellipse((140, 140, 340, 340), fill="red")
    return np.asarray(image)


def with_sheet(turned: int) -> Picture:
    image = paper()
    ImageDraw.Draw(image).rectangle((140, 140, 340, 280), fill="red")
    return np.asarray(image.rotate(turned, fillcolor="white"))


def gradient() -> Picture:
    return np.repeat(np.tile(np.linspace(0, 255, 480), (480, 1)).astype(np.uint8)[..., None], 3, axis=2)


def noise() -> Picture:
    return np.random.default_rng(1).integers(0, 255, (480, 480, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "picture", [np.asarray(paper()), with_disc(), with_sheet(0), with_sheet(30), gradient(), noise()]
)
def test_where_there_is_no_beak_none_is_seen(picture: Picture) -> None:
    with pytest.raises(NoBeakVisible):
        find_beak(picture)


@pytest.mark.parametrize("sigma", [6, 9, 15])
def test_a_blurred_photo_is_refused(sigma: float) -> None:
    with pytest.raises(PhotoBlurred):
        find_beak(blurred(sigma))


@pytest.mark.parametrize("side", [150, 120])
def test_a_beak_far_away_is_too_small(side: int) -> None:
    with pytest.raises(BeakTooSmall):
        find_beak(pasted(side))


def test_a_beak_that_runs_out_of_the_picture_is_cut_off() -> None:
    with pytest.raises(BeakCutOff):
        find_beak(drawn()[:, :340])
    left_and_right = (parrot("kesha")[:, 110:], parrot("kesha")[:, :-110])
    assert sum(is_cut_off(picture) for picture in left_and_right) == 1


def is_cut_off(picture: Picture) -> bool:
    try:
        find_beak(picture)
    except BeakCutOff:
        return True
    return False


def test_two_parrots_in_one_photo_are_one_too_many() -> None:
    with pytest.raises(SeveralBeaks):
        find_beak(np.hstack([parrot("kesha"), parrot("kesha")]))


def test_a_sliver_of_a_picture_does_no_harm() -> None:
    with pytest.raises(UnusablePhoto):
        find_beak(np.zeros((33, 8000, 3), np.uint8))


@pytest.mark.parametrize("colours", [("white", "black"), ("orange", "#14501e"), ("#333", "#f0c040"), ("red", "gray")])
def test_a_beak_is_known_by_its_shape_not_by_its_colours(colours: tuple[str, str]) -> None:
    assert apart(drawn(), drawn(beak=colours[0], around=colours[1])) < 0.02


def test_a_beak_is_known_before_any_background() -> None:
    assert apart(parrot("kesha"), pasted(360, on="#222")) < 0.05
    assert apart(parrot("kesha"), pasted(300, on="#f6f")) < 0.05


@pytest.mark.parametrize("angle", [7, 45, 90, 133, 180, 270])
def test_a_beak_is_known_however_the_head_is_held(angle: int) -> None:
    image = Image.fromarray(parrot("kesha"))
    floor = tuple(int(value) for value in parrot("kesha")[2, 2])
    turned = image.rotate(angle, expand=True, fillcolor=floor, resample=Image.Resampling.BICUBIC)
    assert apart(parrot("kesha"), np.asarray(turned)) < 0.03


@pytest.mark.parametrize("side", [64, 120, 240, 960, 1280])
def test_a_beak_is_known_in_photos_of_any_size(side: int) -> None:
    resized = Image.fromarray(parrot("kesha")).resize((side, side), Image.Resampling.LANCZOS)
    assert apart(parrot("kesha"), np.asarray(resized)) < 0.05


def test_a_mirrored_beak_is_another_one() -> None:
    assert apart(parrot("kesha"), np.fliplr(parrot("kesha"))) > 0.1


def test_a_head_with_an_eye_is_not_taken_for_the_beak() -> None:
    image = paper("#eee")
    pen = ImageDraw.Draw(image)
    pen.ellipse((40, 120, 320, 420), fill="#2a4")
    pen.ellipse((110, 190, 150, 230), fill="black")
    pen.polygon([(x + 40, y + 20) for x, y in CORNERS], fill="orange")
    assert apart(np.asarray(image), drawn()) < 0.03


@given(st.floats(0, 2 * np.pi), st.floats(0.1, 50), st.floats(-500, 500), st.integers(0, 199), st.booleans())
def test_a_descriptor_knows_neither_place_nor_size_nor_turn_nor_start(
    angle: float, size: float, place: float, start: int, backwards: bool
) -> None:
    turns = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    curve = np.exp(1j * turns) * (1 + 0.3 * np.cos(2 * turns) + 0.2 * np.sin(3 * turns + 1))
    moved = np.roll(curve * size * np.exp(1j * angle) + place, start)
    if backwards:
        moved = moved[::-1]
    one, other = (describe(np.stack([c.real, c.imag], axis=1)) for c in (curve, moved))
    # 200 corners are no smooth curve: the worst of their starts is 0.01004 apart, a fifth of what counts as alike.
    assert distances(one, other[None])[0] < 0.011


def test_a_descriptor_is_stored_and_read_again() -> None:
    shape = shape_of(parrot("kesha"))
    assert shape.shape == (LENGTH,)
    assert (from_bytes(to_bytes(shape)) == shape).all()


def gallery(**parrots: UUID) -> Gallery:
    return Gallery().with_beaks([(owner, shape_of(parrot(key))) for key, owner in parrots.items()], revision=1)


def test_a_beak_is_recognised_among_others() -> None:
    everybody = gallery(kesha=KESHA, gosha=GOSHA)
    assert everybody.recognise(shape_of(blurred(1.5))) == KESHA
    with pytest.raises(UnknownBeak):
        everybody.recognise(shape_of(parrot("stranger")))


def test_nobody_is_recognised_where_nobody_is_enrolled() -> None:
    with pytest.raises(UnknownBeak):
        Gallery().recognise(shape_of(parrot("kesha")))


def test_who_could_be_two_people_is_nobody() -> None:
    shape = shape_of(parrot("kesha"))
    twins = Gallery().with_beaks([(KESHA, shape), (GOSHA, shape)], revision=1)
    with pytest.raises(AmbiguousBeak):
        twins.recognise(shape)


def test_a_beak_like_somebody_elses_is_taken_and_ones_own_is_not() -> None:
    everybody = gallery(kesha=KESHA, gosha=GOSHA)
    everybody.check_unlike_others(shape_of(blurred(1)), KESHA)
    everybody.check_unlike_others(shape_of(parrot("stranger")), uuid4())
    with pytest.raises(BeakTaken):
        everybody.check_unlike_others(shape_of(blurred(1)), uuid4())


def test_a_new_beak_takes_the_place_of_the_old_one() -> None:
    older = gallery(kesha=KESHA, gosha=GOSHA)
    newer = older.with_beaks([(KESHA, shape_of(parrot("operated")))], revision=7)
    assert newer.revision == 7
    assert newer.recognise(shape_of(parrot("operated"))) == KESHA
    assert older.recognise(shape_of(parrot("kesha"))) == KESHA
    with pytest.raises(UnknownBeak):
        newer.recognise(shape_of(parrot("kesha")))


def test_among_ten_thousand_a_beak_is_found_in_a_moment() -> None:
    random = np.random.default_rng(1)
    rows = random.normal(size=(10_000, LENGTH)) + 1j * random.normal(size=(10_000, LENGTH))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.complex64)
    crowd = Gallery().with_beaks([(uuid4(), row) for row in rows], revision=1)
    started = time.process_time()
    assert crowd.recognise(rows[1234]) == crowd.owners[1234]
    assert time.process_time() - started < 0.5  # 0.02 s on an idle machine


def identify(enrolled: Gallery, number: int) -> UUID | None:
    """Whose beak a poor photo of this parrot is taken for; None if it is refused."""
    photo = snapshot(parrot(f"parrot {number}"), np.random.default_rng(number))
    try:
        return enrolled.recognise(shape_of(photo))
    except (UnusablePhoto, UnknownBeak, AmbiguousBeak):
        return None


@pytest.mark.timeout(600)
@pytest.mark.parametrize("half", [pytest.param(60, marks=pytest.mark.slow), pytest.param(150, marks=pytest.mark.soak)])
def test_of_many_parrots_each_is_known_by_a_poor_photo_and_nobody_by_somebody_elses(half: int) -> None:
    """The promise of the whole recognition. The first half is enrolled, the other half are strangers."""
    numbers, owners = range(2 * half), [uuid4() for _ in range(half)]
    with ThreadPoolExecutor(2) as pool:
        shapes = pool.map(lambda number: shape_of(parrot(f"parrot {number}")), numbers[:half])
        enrolled = Gallery().with_beaks(zip(owners, shapes, strict=True), revision=1)
        found = list(pool.map(lambda number: identify(enrolled, number), numbers))
    assert found[half:] == [None] * half, "a stranger was let in"
    right = sum(who == owner for who, owner in zip(found, owners, strict=False))
    refused = found[:half].count(None)
    assert right + refused == half, "somebody was taken for somebody else"
    assert right > 0.98 * half
