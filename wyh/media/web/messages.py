"""What the live page and its server say to each other. Both ends are named here; see `stream.js`.

Streams are binary: a head of 12 bytes, little-endian (kind, flags, count, number, extra), then the
payload. The rest is JSON with a `kind`. Kinds that are not taken are refused: those of pages whose
microphone makes pictures are in `picture_messages.py`.
"""

import json
import math
import struct
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.specs import StreamSpec

FRAME, PULL, SEEN, SOUND = 1, 2, 3, 4
HAS_CODE, HAS_KNOWN, HAS_PICTURE = 1, 2, 4
HEAD = struct.Struct("<BBHII")
TEXT_BYTES = 16_384  # the longest message that is no picture and no sound
STAGES = ("grab", "wait", "ring", "device", "total", "offset")
"""What only a page can measure: `wyh.live.meter.STAGES`, and the offset of sound and picture."""

MOST_TICKS = 1 << 31
_MOST_BLOCKS = 256  # asked for at once
_MOST_FIGURES = 200  # of one stage in one report
_LONGEST_MS = 60_000.0


class Frame(NamedTuple):
    """A picture for a frame tick; none where the server has a source of its own."""

    tick: int
    pixels: UInt8[np.ndarray, "height width channels"] | None


class Pull(NamedTuple):
    """A page wants so many more blocks of sound; `fill` samples still wait to be heard there."""

    blocks: int
    fill: int


class Turn(NamedTuple):
    """A knob was turned."""

    name: str
    value: float


class Report(NamedTuple):
    """What a page has measured: underruns so far, and durations since the last report."""

    underruns: int
    stages_secs: dict[str, list[float]]


Message = Frame | Pull | Turn | Report


def longest(spec: StreamSpec) -> int:
    """Bytes of the longest message that a page may send."""
    return max(HEAD.size + spec.video.frame_bytes, TEXT_BYTES)


def parse_message(data: bytes | str, spec: StreamSpec, *, own_source: bool) -> Message:
    """What a page says.

    Args:
      data: of one message.
      spec: of the stream.
      own_source: the server has the pictures.

    Raises:
      WyhError: it is none of what a page may say.
    """
    if isinstance(data, str):
        return parse_text(data)
    if len(data) < HEAD.size:
        raise WyhError(f"got a message of {len(data)} bytes, wanted {HEAD.size} at least")
    kind, _, count, number, extra = HEAD.unpack_from(data)
    payload = len(data) - HEAD.size
    if kind == FRAME:
        wanted = 0 if own_source else spec.video.frame_bytes
        if payload != wanted:
            raise WyhError(f"got a picture of {payload} bytes, wanted {wanted}")
        if number >= MOST_TICKS:
            raise WyhError(f"got frame tick {number}, wanted less than {MOST_TICKS}")
        if own_source:
            return Frame(number, None)
        pixels = np.frombuffer(data, np.uint8, offset=HEAD.size)
        return Frame(number, pixels.reshape(spec.video.shape))
    if kind == PULL:
        if payload or not 1 <= count <= _MOST_BLOCKS:
            raise WyhError(f"got a call for {count} blocks, wanted 1 to {_MOST_BLOCKS}")
        return Pull(count, extra)
    raise WyhError(f"got a message of the kind {kind}, wanted {FRAME} or {PULL}")


def parse_text(text: str) -> Turn | Report:
    """What a page says in words, whichever way it plays.

    Raises:
      WyhError: it is none of what a page may say.
    """
    if len(text) > TEXT_BYTES:
        raise WyhError(f"got a text of {len(text)} letters, wanted {TEXT_BYTES} at most")
    try:
        values = json.loads(text)
        match values["kind"]:
            case "turn":
                return Turn(str(values["name"]), _number(values["value"]))
            case "report":
                underruns = int(min(max(_number(values["underruns"]), 0), 1e9))
                told = values["stages_ms"]
                stages = {name: _durations(told.get(name, [])) for name in STAGES}
                return Report(underruns, stages)
    except (
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        RecursionError,
        OverflowError,
    ):
        raise WyhError("got a text that is no message of the page") from None
    raise WyhError("got a text of another kind, wanted turn or report")


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def _durations(values: Any) -> list[float]:
    if not isinstance(values, list) or len(values) > _MOST_FIGURES:
        raise ValueError(values)
    return [min(max(_number(value), 0.0), _LONGEST_MS) / 1000 for value in values]


def hello(spec: StreamSpec, about: dict[str, Any]) -> str:
    """The first message to a page: the sizes of the stream, and what else it shows."""
    video, audio = spec.video, spec.audio
    rate = [video.frame_rate.numerator, video.frame_rate.denominator]
    return json.dumps(
        {
            "kind": "hello",
            "direction": spec.direction,
            "width": video.width,
            "height": video.height,
            "channels": video.channels,
            "fit": video.fit,
            "frame_rate": rate,
            "sample_rate": audio.sample_rate,
            "audio_channels": audio.channels,
            "block": spec.block,
            "latency_ms": 1000 * spec.latency_secs,
        }
        | about
    )


def say(text: str) -> str:
    """A line for the player to read."""
    return json.dumps({"kind": "note", "text": text})


def seen(
    tick: int,
    waited_secs: float | None = None,
    code: Float32[np.ndarray, " bands"] | None = None,
    known: UInt8[np.ndarray, "height width 3"] | None = None,
    picture: UInt8[np.ndarray, "height width channels"] | None = None,
) -> bytes:
    """The answer to a picture: what the model made of it, as far as it can tell.

    `picture` is what it looked at, where that is not the page's own; a new one had been there for
    `waited_secs`.
    """
    parts = (code, known, picture)
    flags = sum(
        flag
        for flag, part in zip((HAS_CODE, HAS_KNOWN, HAS_PICTURE), parts, strict=True)
        if part is not None
    )
    bands = 0 if code is None else len(code)
    waited = 0 if waited_secs is None else round(1e6 * min(max(waited_secs, 1e-6), 1e3))
    head = HEAD.pack(SEEN, flags, bands, tick, waited)
    whole = [] if code is None else [code.astype("<f4").tobytes()]
    return b"".join([head, *whole, *(part.tobytes() for part in parts[1:] if part is not None)])


def sound(first: int, blocks: int, samples: Float32[np.ndarray, "samples ..."]) -> bytes:
    """Blocks of sound from number `first` on, stereo interleaved."""
    return HEAD.pack(SOUND, 0, blocks, first, 0) + samples.astype("<f4").tobytes()
