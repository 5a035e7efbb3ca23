"""By how much a recording is to be turned up or down, so that all are as loud as one another."""

import numpy as np
from jaxtyping import Float32

from wyh.signal.levels import FLOOR_LUFS, integrated_loudness

TARGET_LUFS = -23.0
"""To which every recording is brought before anything is learned of it."""

MOST_DB = 30.0
"""Nothing is turned up by more: what is left then is hiss."""

_PIECE_SECS = 10
_GATE = 0.1  # of the mean of all pieces: 10 LU under it


def recording_loudness(waveform: Float32[np.ndarray, " samples"], sample_rate: int) -> float:
    """Gated loudness of a recording of any length, in LUFS, in bounded memory.

    ITU-R BS.1770 in pieces of 10 s (a shorter one is gone on with from where it began, the last of
    several reaches back), which are gated against one another as the blocks inside a piece are.
    That is the loudness of the whole to 0.2 dB, to 0.6 where it fades by 40 dB. One length for all
    pieces: nothing compiles twice.

    Returns:
      `FLOOR_LUFS` for silence and for no samples.
    """
    piece = _PIECE_SECS * sample_rate
    if not waveform.any():
        return FLOOR_LUFS
    found = []
    for start in range(0, len(waveform), piece):
        begin = max(0, min(start, len(waveform) - piece))
        part = np.resize(waveform[begin : begin + piece], piece)
        found.append(float(integrated_loudness(part, sample_rate)))
    lufs = np.array(found)
    loud = lufs > FLOOR_LUFS
    if not loud.any():
        return FLOOR_LUFS
    power = 10 ** (lufs / 10)
    loud &= power > _GATE * power[loud].mean()
    return float(10 * np.log10(power[loud].mean()))


def recording_gain(
    waveform: Float32[np.ndarray, " samples"], sample_rate: int, target_lufs: float = TARGET_LUFS
) -> float:
    """The factor that brings a recording to a loudness; 1 where it is silent.

    Args:
      waveform: of the whole recording.
      sample_rate: in Hz.
      target_lufs: the loudness wanted.

    Returns:
      At most `MOST_DB` in dB.
    """
    lufs = recording_loudness(waveform, sample_rate)
    if lufs <= FLOOR_LUFS:
        return 1.0
    return float(10 ** (min(target_lufs - lufs, MOST_DB) / 20))
