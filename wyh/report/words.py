"""What a sonifier's report says in sentences."""

import numpy as np

from wyh.report.contenders import closest, uniform_pca
from wyh.report.findings import Contender
from wyh.report.footage import Footage


def sentence(own: Contender, contenders: list[Contender]) -> str:
    """The result in a sentence."""
    listened = own.scores["listened"]
    pca, _ = uniform_pca(contenders)
    voice = next(c for c in contenders if c.name == "voice")
    share = 1 - 10 ** (-listened.gain_db.value / 10)
    return (
        f"From noisy sound alone, {100 * share:.0f} % of what tells one picture from another comes "
        f"back: {listened.gain_db.value:.1f} dB above knowing only the mean picture. "
        f"A {pca.label} through the same synth gives {closest(pca).gain_db.value:.1f} dB, "
        f"The vOICe {closest(voice).gain_db.value:.1f} dB."
    )


def method(footage: Footage, noise_db: float) -> list[str]:
    """How it was measured, in sentences."""
    return [
        f"Measured on {len(footage.held_out.frames)} pictures in "
        f"{len(np.unique(footage.held_out.seconds))} stretches: {footage.source}. References are "
        f"fitted to {len(footage.training.frames)} training pictures.",
        f"White noise is added {noise_db:g} dB under the RMS of each whole sound. Gain is 10 "
        f"log10(MSE of the mean training picture / MSE), over all held-out pictures together.",
        "Every closed form is given the listener that suits it best: the run's own listener read "
        "by ridge regression, ridge regression from what a listener reads of its own bands, or "
        "from 40 log-mel bands. Strengths are chosen by leaving out training seconds.",
        "Lines are 95 % intervals of a bootstrap over seconds, not frames: neighbouring frames are "
        "nearly the same.",
    ]
