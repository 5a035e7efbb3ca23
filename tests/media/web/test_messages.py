import json
from fractions import Fraction

import numpy as np
import pytest

from wyh.errors import WyhError
from wyh.media.web import messages
from wyh.media.web.messages import HEAD, Frame, Pull, Report, Turn, parse_message
from wyh.specs import AudioSpec, StreamSpec, VideoSpec

SPEC = StreamSpec("see-hear", VideoSpec(Fraction(24000, 1001), 8, 12), AudioSpec(22050, 2), 256)
PIXELS = np.arange(8 * 12 * 3, dtype=np.uint8).reshape(8, 12, 3)


def said(kind, payload=b"", *, count=0, number=0, extra=0):
    return HEAD.pack(kind, 0, count, number, extra) + payload


def parse(data, own_source=False):
    return parse_message(data, SPEC, own_source=own_source)


def test_a_picture():
    frame = parse(said(messages.FRAME, PIXELS.tobytes(), number=7))
    assert isinstance(frame, Frame) and frame.tick == 7
    np.testing.assert_array_equal(frame.pixels, PIXELS)
    assert len(said(messages.FRAME, PIXELS.tobytes())) <= messages.longest(SPEC)


def test_a_tick_without_a_picture_is_for_a_source_of_the_server():
    assert parse(said(messages.FRAME, number=3), own_source=True) == Frame(3, None)


def test_a_call_for_sound():
    assert parse(said(messages.PULL, count=4, extra=900)) == Pull(4, 900)


def test_a_turned_knob():
    text = json.dumps({"kind": "turn", "name": "glide", "value": 0.5})
    assert parse(text) == Turn("glide", 0.5)


def test_a_report_is_kept_within_bounds():
    stages = {"total": [100, 1e9, -4], "unknown": [1]}
    report = parse(json.dumps({"kind": "report", "underruns": 1e30, "stages_ms": stages}))
    assert isinstance(report, Report)
    assert report.underruns == 1_000_000_000
    assert report.stages_secs["total"] == [0.1, 60.0, 0.0]
    assert set(report.stages_secs) == set(messages.STAGES)


@pytest.mark.parametrize(
    ("data", "own_source", "complaint"),
    [
        (b"abc", False, "got a message of 3 bytes, wanted 12 at least"),
        (said(messages.FRAME, b"x" * 10), False, "got a picture of 10 bytes, wanted 288"),
        (said(messages.FRAME, PIXELS.tobytes()), True, "got a picture of 288 bytes, wanted 0"),
        (said(messages.FRAME, PIXELS.tobytes(), number=1 << 31), False, "got frame tick 21474"),
        (said(messages.PULL, count=0), False, "got a call for 0 blocks, wanted 1 to 256"),
        (said(messages.PULL, count=300), False, "got a call for 300 blocks"),
        (said(messages.PULL, b"more", count=1), False, "got a call for 1 blocks"),
        (said(99), False, "got a message of the kind 99, wanted 1 or 2"),
        ("{", False, "got a text that is no message of the page"),
        ("[1]", False, "got a text that is no message of the page"),
        ("[" * 12_000, False, "got a text that is no message of the page"),
        (" " * 20_000, False, "got a text of 20000 letters, wanted 16384 at most"),
        ('{"kind": "sing"}', False, "got a text of another kind, wanted turn or report"),
        ('{"kind": "turn", "name": "glide"}', False, "no message of the page"),
        ('{"kind": "turn", "name": "glide", "value": NaN}', False, "no message of the page"),
        ('{"kind": "turn", "name": "glide", "value": true}', False, "no message of the page"),
        ('{"kind": "report", "underruns": "x", "stages_ms": {}}', False, "no message of the page"),
        ('{"kind": "report", "underruns": 0, "stages_ms": {"total": 1}}', False, "no message"),
    ],
)
def test_what_is_refused(data, own_source, complaint):
    with pytest.raises(WyhError, match=complaint):
        parse(data, own_source)


def test_the_greeting_tells_the_sizes():
    told = json.loads(messages.hello(SPEC, {"run": "demo"}))
    assert told["kind"] == "hello" and told["run"] == "demo"
    assert (told["width"], told["height"], told["frame_rate"]) == (12, 8, [24000, 1001])
    assert (told["sample_rate"], told["audio_channels"], told["block"]) == (22050, 2, 256)


def test_what_is_seen_is_laid_out_as_the_page_reads_it(rng):
    code = rng.random(5, np.float32)
    known = PIXELS[::-1].copy()
    data = messages.seen(9, 0.0015, code, known, PIXELS)
    assert HEAD.unpack_from(data) == (messages.SEEN, 7, 5, 9, 1500)
    np.testing.assert_array_equal(np.frombuffer(data, "<f4", 5, HEAD.size), code)
    pictures = np.frombuffer(data, np.uint8, offset=HEAD.size + 20).reshape(2, 8, 12, 3)
    np.testing.assert_array_equal(pictures, [known, PIXELS])
    assert HEAD.unpack_from(messages.seen(9)) == (messages.SEEN, 0, 0, 9, 0)
    assert HEAD.unpack_from(messages.seen(9, 0.0)) == (messages.SEEN, 0, 0, 9, 1)


def test_stereo_is_interleaved():
    samples = np.array([[0.5, -0.5], [0.25, -0.25]], np.float32)
    data = messages.sound(3, 1, samples)
    assert HEAD.unpack_from(data) == (messages.SOUND, 0, 1, 3, 0)
    np.testing.assert_array_equal(
        np.frombuffer(data, "<f4", offset=HEAD.size), [0.5, -0.5, 0.25, -0.25]
    )
