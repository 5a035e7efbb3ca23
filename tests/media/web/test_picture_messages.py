import io
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from wyh.errors import WyhError
from wyh.media.web import picture_messages
from wyh.media.web.messages import HEAD, Turn
from wyh.media.web.picture_messages import HEARD, JPEG, PICTURE, RAW, parse_message
from wyh.specs import AudioSpec, StreamSpec, VideoSpec

SPEC = StreamSpec("hear-see", VideoSpec(Fraction(24), 8, 12), AudioSpec(8000), 80, 200)


def said(sound, *, kind=HEARD, first=0, count=None, flags=0, got=0):
    count = len(sound) if count is None else count
    return HEAD.pack(kind, flags, count, first, got) + sound.astype("<f4").tobytes()


def test_blocks_of_sound(rng):
    sound = rng.uniform(-1, 1, (3, 80)).astype(np.float32)
    heard = parse_message(said(sound, first=6, got=4), SPEC)
    assert (heard.first, heard.from_file, heard.got) == (6, False, 4)
    np.testing.assert_array_equal(heard.blocks, sound)
    assert parse_message(said(sound, flags=picture_messages.FROM_FILE), SPEC).from_file


def test_sound_is_kept_within_bounds():
    loud = np.full((1, 80), 1e30)
    np.testing.assert_array_equal(parse_message(said(loud), SPEC).blocks, np.ones((1, 80)))


def test_the_longest_message_is_allowed():
    most = np.zeros((picture_messages.MOST_BLOCKS, 80))
    assert len(said(most)) <= picture_messages.longest(SPEC)
    assert len(parse_message(said(most), SPEC).blocks) == len(most)


def test_words_are_those_of_the_other_page():
    text = '{"kind": "turn", "name": "hue", "value": 0.5}'
    assert parse_message(text, SPEC) == Turn("hue", 0.5)


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"abc", "got a message of 3 bytes, wanted 12 at least"),
        (said(np.zeros((1, 80)), kind=1), "got a message of the kind 1, wanted 5"),
        (said(np.zeros((0, 80))), "got 0 blocks of sound, wanted 1 to 64"),
        (said(np.zeros((65, 80))), "got 65 blocks of sound, wanted 1 to 64"),
        (said(np.zeros((1, 79))), "got sound of 316 bytes, wanted 320"),
        (said(np.zeros((1, 80)), count=2), "got sound of 320 bytes, wanted 640"),
        (said(np.zeros((1, 80)), first=(1 << 31) - 1), "got block 2147483647, wanted less than"),
        (said(np.full((1, 80), np.nan)), "got sound with samples that are no numbers"),
        (said(np.full((1, 80), np.inf)), "got sound with samples that are no numbers"),
        ('{"kind": "sing"}', "got a text of another kind, wanted turn or report"),
    ],
)
def test_what_is_refused(data, complaint):
    with pytest.raises(WyhError, match=complaint):
        parse_message(data, SPEC)


def unpacked(data):
    kind, flags, _, number, _ = HEAD.unpack_from(data)
    assert kind == PICTURE
    return flags, number, data[HEAD.size :]


def test_a_small_picture_goes_as_it_is(rng):
    pixels = rng.integers(0, 256, (8, 12, 3), np.uint8)
    for here in (True, False):
        flags, number, body = unpacked(picture_messages.picture(7, pixels, here=here))
        assert (flags, number) == (RAW, 7)
        np.testing.assert_array_equal(np.frombuffer(body, np.uint8).reshape(8, 12, 3), pixels)


def test_a_large_one_goes_as_jpeg_unless_it_stays_here():
    rows, columns = np.mgrid[:256, :256]
    pixels = np.stack([rows, columns, 255 - rows], axis=-1).astype(np.uint8)
    flags, _, body = unpacked(picture_messages.picture(0, pixels, here=True))
    assert flags == RAW and len(body) == pixels.nbytes
    flags, _, body = unpacked(picture_messages.picture(0, pixels, here=False))
    assert flags == JPEG and len(body) < pixels.nbytes / 8
    apart = np.abs(np.asarray(Image.open(io.BytesIO(body))).astype(int) - pixels)
    assert apart.mean() < 2 and apart.max() < 12
