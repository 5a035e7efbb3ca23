"""How long a flash takes to be heard: switches of light, found again in the sound they make.

A picture sounds by its spectrum, not by its loudness. So a switch is heard when the spectrum is on
its way from what darkness sounds like to what light does.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32

PERIOD_SECS = 0.8  # from one switch to the next
_N_FFT, _HOP = 256, 32
_SETTLED = 0.5  # of a period: after that a picture sounds as it will
_BEGINS, _HALF = 0.1, 0.5  # of the way from one sound to the other
_CLEAR = 3.0  # standard deviations between both sounds, or nothing was heard of it


class Delay(NamedTuple):
    """From a switch of the light to its sound, in seconds."""

    begins: float  # a tenth of the change is there
    half: float


def delays(
    sound: Float32[np.ndarray, " samples"], sample_rate: int, switches_secs: Sequence[float]
) -> list[Delay]:
    """The delay of each switch that can be found.

    Args:
      sound: in which the switches are heard.
      sample_rate: Hz.
      switches_secs: when the light changed, to and fro, on the clock on which sample 0 is at 0;
        `PERIOD_SECS` apart. The first is to light.
    """
    if not len(switches_secs):
        return []
    columns = _columns(sound)
    middles = (np.arange(len(columns)) * _HOP + _N_FFT / 2) / sample_rate
    switches = np.asarray(switches_secs)
    state = np.searchsorted(switches, middles) % 2  # 1 is light
    since = middles - switches[np.maximum(np.searchsorted(switches, middles) - 1, 0)]
    inside = (middles > switches[0]) & (middles < switches[-1] + PERIOD_SECS)
    settled = inside & (since > _SETTLED * PERIOD_SECS)
    if not ((settled & (state == 1)).any() and (settled & (state == 0)).any()):
        return []
    light, dark = (columns[settled & (state == one)].mean(axis=0) for one in (1, 0))
    along = (columns - dark) @ (light - dark) / max(float(np.sum((light - dark) ** 2)), 1e-9)
    spread = np.std(along[settled & (state == 1)]) + np.std(along[settled & (state == 0)])
    if 1 < _CLEAR * spread:
        return []
    found = []
    for number, switch in enumerate(switches):
        after = (middles >= switch) & (middles < switch + _SETTLED * PERIOD_SECS)
        way = along[after] if number % 2 == 0 else 1 - along[after]
        if len(way) and way[0] < _BEGINS and way.max() > _HALF:
            times = middles[after] - switch
            half = int(np.argmax(way >= _HALF))
            # The last time that it was below: noise may cross a tenth before.
            begins = int(np.flatnonzero(way[: half + 1] < _BEGINS)[-1]) + 1
            found.append(Delay(float(times[min(begins, half)]), float(times[half])))
    return found


def _columns(sound: Float32[np.ndarray, " samples"]) -> Float[np.ndarray, "columns bands"]:
    """Smoothed log spectra."""
    starts = np.arange(0, max(0, len(sound) - _N_FFT + 1), _HOP)
    window = np.hanning(_N_FFT)
    spectra = np.abs(np.fft.rfft(sound[starts[:, None] + np.arange(_N_FFT)] * window)) ** 2
    wide = spectra[:, 1:].reshape(len(starts), -1, 4).sum(axis=-1)
    return np.log(wide + 1e-9 * max(float(wide.max(initial=0.0)), 1e-12))
