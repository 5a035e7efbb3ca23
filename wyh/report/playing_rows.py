"""The figures of a sonifier's report: how it is to listen to, and to play."""

import jax.numpy as jnp
import numpy as np

from wyh.report.contenders import loudness
from wyh.report.findings import Figure, Measured
from wyh.signal.levels import true_peak_db


def smooth_rows(m: Measured) -> list[Figure]:
    """Clicks, hum, loudness and peak."""
    found = []
    for phase in ("continuous", "random", "fixed"):
        asked = phase != "fixed"
        found.append(
            Figure(
                f"click_{phase}_db",
                f"clicks, {phase} phase",
                m.smooth[phase].click,
                "dB",
                "lower",
                about="static picture: differences near joints against those between",
                wanted=1 if asked else None,
            )
        )
        found.append(
            Figure(
                f"harmonics_{phase}_db",
                f"hum at the frame rate, {phase} phase",
                m.smooth[phase].harmonics,
                "dB",
                "lower",
                about="static picture: the largest of 20 multiples over what lies around",
                wanted=3 if asked else None,
            )
        )
    lufs = loudness(m.sound, m.sample_rate)
    return [
        *found,
        Figure(
            "loudness_off_lu",
            "loudness off -23 LUFS",
            abs(lufs + 23),
            "LU",
            "lower",
            about=f"integrated loudness (ITU-R BS.1770) is {lufs:.1f} LUFS",
            wanted=1,
        ),
        Figure(
            "true_peak_db",
            "true peak",
            float(true_peak_db(jnp.asarray(m.sound))),
            "dBFS",
            "lower",
            about="at 4 times the sample rate (ITU-R BS.1770)",
            wanted=-1,
        ),
    ]


def timing_rows(m: Measured) -> list[Figure]:
    """When a picture is heard, and what it takes to compute that."""
    total = m.compute_ms.sum(axis=1)
    return [
        Figure(
            "offset_ms",
            "sound off the middle of its picture",
            abs(m.offset_ms),
            "ms",
            "lower",
            about=f"measured on flashes, after the declared latency: {m.offset_ms:+.1f} ms",
        ),
        Figure(
            "latency_ms",
            "latency of the method",
            m.latency_ms,
            "ms",
            "lower",
            about="declared: half a spectrum, half a glide, the limiter's look ahead",
            headline="from the middle of a picture to the middle of its sound",
        ),
        *(
            Figure(
                f"compute_p{share}_ms",
                f"computing a frame and its sound, p{share}",
                float(np.percentile(total, share)),
                "ms",
                "lower",
                baselines={"budget": m.budget_ms},
                about="one tick at a time, on this machine, beside whatever else it did",
            )
            for share in (50, 95)
        ),
    ]
