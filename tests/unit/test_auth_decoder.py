"""Photos are looked at in processes that may use up only so much, and whatever becomes of these, we go on."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from auth_service.decoder import Decoder, client
from auth_service.demo.parrot import draw_parrot
from auth_service.domain.beak import distances
from auth_service.domain.photo import decode
from auth_service.domain.photo_file import MAX_BYTES, MAX_SCANS
from auth_service.errors import (
    MovingPicture,
    NoBeakVisible,
    NotAPicture,
    PhotoTooLarge,
    ServiceError,
    TooManyPhotos,
    TooMuchWork,
    UnsupportedPhoto,
)
from tests.unit.auth_photos import JPEG, MAGIC, PNG, encoded, parrot, png_of_size, shape_of
from tests.waiting import PATIENCE, eventually

ROOT = Path(__file__).parents[2]
KESHA = Image.fromarray(parrot("kesha"))
PHOTO = draw_parrot("kesha")
EVIL = MAGIC + b"evil"

#: The far end, which does something bad with photos that are evil, and has seconds instead of longer.
BAD_CHILD = """
import os, signal, time
from auth_service.decoder import process
look = process._answer
def answer(photo, content_type):
    if b"evil" not in photo:
        return look(photo, content_type)
    {deed}
process._answer, process._CPU_S, process._WALL_S = answer, {cpu}, {wall}
process.main()
"""
DEEDS = {
    "takes too much of the processor": ("while True: pass", 1, 60),
    "takes too long": ("time.sleep(60)", 60, 1),
    "takes too much memory": ("bytearray(2**30)", 60, 60),
    "crashes": ("os.kill(os.getpid(), signal.SIGSEGV)", 60, 60),
    "raises": ("raise RuntimeError", 60, 60),
    "says nonsense": ("return b'nonsense'", 60, 60),
}


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Decoder]:
    monkeypatch.setattr(client, "_ANSWER_S", PATIENCE)  # the child starts slowly on a busy machine
    decoder = Decoder()
    yield decoder
    decoder.close()


@pytest.fixture
def slow_decoder(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> Decoder:
    """One that never comes to an end with an evil photo."""
    use(monkeypatch, "time.sleep(60)", 60, 60)
    monkeypatch.setattr(client, "_PATIENCE_S", 0.2)
    return decoder


def use(monkeypatch: pytest.MonkeyPatch, deed: str, cpu: int, wall: int) -> None:
    program = BAD_CHILD.format(deed=deed, cpu=cpu, wall=wall)
    monkeypatch.setattr(client, "_CHILD", (sys.executable, "-c", program))


def with_scans(count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated until there are so many."""
    photo = encoded(KESHA, "JPEG", progressive=True)
    own = photo.count(b"\xff\xda")
    last = photo[photo.rindex(b"\xff\xda") : -2]
    return photo[:-2] + last * (count - own) + photo[-2:]


def test_a_beak_has_the_same_shape_wherever_it_is_looked_at(decoder: Decoder) -> None:
    assert distances(decoder.look_at(PHOTO, PNG), shape_of(parrot("kesha"))[None])[0] < 0.001


@pytest.mark.parametrize(
    ("photo", "content_type", "refusal"),
    [
        (b"GIF89a", "image/gif", UnsupportedPhoto),
        (b"hello", PNG, NotAPicture),
        (PHOTO[:4000], PNG, NotAPicture),
        (MAGIC + bytes(MAX_BYTES), PNG, PhotoTooLarge),
        (png_of_size(60_000, 60_000, rows=b""), PNG, PhotoTooLarge),
        (encoded(KESHA, save_all=True, append_images=[KESHA.rotate(5)]), PNG, MovingPicture),
        (png_of_size(200, 200), PNG, NoBeakVisible),
    ],
)
def test_a_refusal_gives_the_same_reason_as_if_it_had_been_looked_at_here(
    decoder: Decoder, photo: bytes, content_type: str, refusal: type[ServiceError]
) -> None:
    with pytest.raises(refusal):
        decoder.look_at(photo, content_type)


def test_a_picture_of_too_many_scans_is_refused_before_it_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "open", None)
    with pytest.raises(TooMuchWork):
        decode(with_scans(MAX_SCANS + 1), JPEG)


def test_a_picture_of_many_scans_is_looked_at(decoder: Decoder) -> None:
    decoder.look_at(with_scans(MAX_SCANS), JPEG)


@pytest.mark.parametrize(("deed", "cpu", "wall"), DEEDS.values(), ids=DEEDS)
def test_a_photo_that_is_too_much_for_its_process_is_refused_and_the_next_is_looked_at(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch, deed: str, cpu: int, wall: int
) -> None:
    use(monkeypatch, deed, cpu, wall)
    with pytest.raises(TooMuchWork):
        decoder.look_at(EVIL, PNG)
    use(monkeypatch, deed, 60, 60)
    decoder.look_at(PHOTO, PNG)


def test_a_process_that_dies_is_started_again(decoder: Decoder) -> None:
    decoder.look_at(PHOTO, PNG)
    os.kill(pid_of(decoder), signal.SIGKILL)
    eventually(lambda: looks(decoder))


def test_a_process_that_does_not_start_is_no_fault_of_the_photo(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "_CHILD", ("false",))
    with pytest.raises(TooManyPhotos):
        decoder.look_at(PHOTO, PNG)


def test_a_process_that_does_not_answer_is_given_up(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_CHILD", ("sleep", "60"))
    monkeypatch.setattr(client, "_ANSWER_S", 0.2)
    with pytest.raises(TooManyPhotos):
        decoder.look_at(PHOTO, PNG)


def test_when_all_seats_are_taken_nobody_waits_for_long(slow_decoder: Decoder) -> None:
    with ThreadPoolExecutor(20) as crowd:
        seated = [crowd.submit(slow_decoder.look_at, EVIL, PNG) for _ in range(2)]
        eventually(lambda: len(children_of(pid_of(slow_decoder))) == 2)
        turned_away = [crowd.submit(slow_decoder.look_at, PHOTO, PNG) for _ in range(10)]
        for one in turned_away:
            assert isinstance(one.exception(30), TooManyPhotos)
        assert not any(one.done() for one in seated)
        end_children(slow_decoder)
        for one in seated:
            assert isinstance(one.exception(30), TooMuchWork)
    slow_decoder.look_at(PHOTO, PNG)


def test_what_a_photo_needed_is_given_back(decoder: Decoder) -> None:
    large = BytesIO()
    KESHA.resize((3500, 3500)).save(large, "JPEG", quality=80)
    decoder.look_at(large.getvalue(), JPEG)
    eventually(lambda: not children_of(pid_of(decoder)))


@pytest.mark.parametrize("told", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_its_owner_ends(told: signal.Signals) -> None:
    program = (
        "import sys\n"
        "from auth_service.commands import beaks\n"
        "beaks.look_at(sys.stdin.buffer.read(), 'image/png')\n"
        "print(beaks._DECODER._child.pid, flush=True)\n"
        "import time; time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as owner:
        assert owner.stdin is not None
        assert owner.stdout is not None
        with owner.stdin:
            owner.stdin.write(PHOTO)
        child = int(owner.stdout.readline())
        owner.send_signal(told)
    eventually(lambda: not Path(f"/proc/{child}").exists())


def test_no_secret_of_ours_is_in_the_environment_of_what_decodes(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTH_SECRET_KEY", "swordfish")
    decoder.look_at(PHOTO, PNG)
    assert b"swordfish" not in Path(f"/proc/{pid_of(decoder)}/environ").read_bytes()


def test_many_threads_may_use_it_at_once(decoder: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder, "_house", threading.BoundedSemaphore(8))
    monkeypatch.setattr(client, "_PATIENCE_S", 60)
    with ThreadPoolExecutor(8) as crowd:
        found = list(crowd.map(lambda key: decoder.look_at(draw_parrot(key), PNG), ["kesha", "gosha"] * 4))
    for number, shape in enumerate(found):
        assert distances(shape, found[number % 2][None])[0] < 0.001
        assert distances(shape, found[1 - number % 2][None])[0] > 0.05


def looks(decoder: Decoder) -> bool:
    try:
        decoder.look_at(PHOTO, PNG)
    except TooManyPhotos:
        return False
    return True


def pid_of(decoder: Decoder) -> int:
    assert decoder._child is not None
    return decoder._child.pid


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def end_children(decoder: Decoder) -> None:
    for child in children_of(pid_of(decoder)):
        os.kill(child, signal.SIGKILL)


def test_the_child_ends_when_no_photo_has_come_for_a_while_and_the_next_photo_starts_another(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoder.look_at(PHOTO, "image/png")
    first = decoder._child
    assert first is not None
    monkeypatch.setattr(client, "_IDLE_S", 0)
    decoder._end_when_idle(first)
    assert first.poll() is not None
    monkeypatch.setattr(client, "_IDLE_S", PATIENCE)
    decoder.look_at(PHOTO, "image/png")
    assert decoder._child is not None
