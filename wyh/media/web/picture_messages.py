"""What a page whose sound becomes pictures says, and what it is told; see `picture_stream.js`.

The same heads as in `wyh.media.web.messages`, and the same turns and reports.
"""

from io import BytesIO
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8

from wyh.errors import WyhError
from wyh.media.web.messages import HEAD, MOST_TICKS, TEXT_BYTES, Report, Turn, parse_text
from wyh.specs import StreamSpec

HEARD, PICTURE = 5, 6
FROM_FILE = 1  # a flag of HEARD
RAW, JPEG = 0, 1  # flags of PICTURE
MOST_BLOCKS = 64  # in one message
_PLAIN_BYTES = 1 << 14  # a picture as small as this goes as it is, wherever it goes
_PLAIN_BYTES_HERE = 1 << 20  # and one as this, within this machine
_QUALITY = 90  # of JPEG; 0.2 ms and 14 kB for 256x256, where WebP takes 1 ms and PNG 3


class Heard(NamedTuple):
    """Blocks of sound in a row.

    Attributes:
      first: number of the first.
      blocks: within [-1, 1].
      from_file: a song that plays, and no microphone: the page plays it late enough to wait for
        pictures that know of the sound after them.
      got: how many pictures have reached the page, with those that were left out between them.
    """

    first: int
    blocks: Float32[np.ndarray, "blocks block"]
    from_file: bool
    got: int


def longest(spec: StreamSpec) -> int:
    """Bytes of the longest message that a page may send."""
    return max(HEAD.size + MOST_BLOCKS * spec.block * 4, TEXT_BYTES)


def parse_message(data: bytes | str, spec: StreamSpec) -> Heard | Turn | Report:
    """What a page says.

    Raises:
      WyhError: it is none of what a page may say.
    """
    if isinstance(data, str):
        return parse_text(data)
    if len(data) < HEAD.size:
        raise WyhError(f"got a message of {len(data)} bytes, wanted {HEAD.size} at least")
    kind, flags, count, first, got = HEAD.unpack_from(data)
    if kind != HEARD:
        raise WyhError(f"got a message of the kind {kind}, wanted {HEARD}")
    if not 1 <= count <= MOST_BLOCKS:
        raise WyhError(f"got {count} blocks of sound, wanted 1 to {MOST_BLOCKS}")
    wanted = count * spec.block * 4
    if len(data) - HEAD.size != wanted:
        raise WyhError(f"got sound of {len(data) - HEAD.size} bytes, wanted {wanted}")
    if first >= MOST_TICKS - MOST_BLOCKS:
        raise WyhError(f"got block {first}, wanted less than {MOST_TICKS - MOST_BLOCKS}")
    sound = np.frombuffer(data, "<f4", offset=HEAD.size).reshape(count, spec.block)
    if not np.isfinite(sound).all():
        raise WyhError("got sound with samples that are no numbers")
    return Heard(first, np.clip(sound, -1, 1), bool(flags & FROM_FILE), got)


def picture(number: int, pixels: UInt8[np.ndarray, "height width 3"], *, here: bool) -> bytes:
    """A picture, as it is or as JPEG, whichever suits the way to the page.

    Args:
      number: of the picture: its frame tick.
      pixels: RGB.
      here: the page is on this machine.
    """
    if pixels.nbytes <= (_PLAIN_BYTES_HERE if here else _PLAIN_BYTES):
        return HEAD.pack(PICTURE, RAW, 0, number, 0) + pixels.tobytes()
    from PIL import Image

    made = BytesIO()
    Image.fromarray(pixels).save(made, "JPEG", quality=_QUALITY, subsampling=0)
    return HEAD.pack(PICTURE, JPEG, 0, number, 0) + made.getvalue()
