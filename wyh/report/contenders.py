"""The run against closed forms: the same synth, the same noise, the same listeners."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from functools import partial

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from wyh import baselines
from wyh.metrics.codes import ks_to_uniform
from wyh.metrics.heard import log_mel
from wyh.metrics.topography import distance_agreement
from wyh.models.autoencoder import logits_of
from wyh.report.decode import Gallery, Reader, Score, Sounds, best
from wyh.report.findings import Contender
from wyh.report.instrument import CodePlayer
from wyh.signal.levels import integrated_loudness
from wyh.specs import tick_start
from wyh.transducers.autoencoder import SonifierConfig
from wyh.transducers.listener import Listener

UNIFORM = 0.05
"""Pooled distance to the uniform distribution that a code may have and count as uniform."""

CodesOf = Callable[[Float[np.ndarray, " samples"], int], Float[np.ndarray, "n code"]]
"""The run's own listener: from the sound of so many pictures to codes."""


def closed_forms(
    gallery: Gallery,
    components: baselines.LinearCode,
    config: SonifierConfig,
    codes_of: CodesOf,
    loudness_lufs: float,
) -> Iterator[Contender]:
    """Principal components, random projections and The vOICe, one after the other.

    `components` are those of the training pictures. Codes of the run's own size are heard by its
    listener too, then read by ridge regression.
    """
    size = config.model.code_size
    for some in pca_sizes(size):
        player = CodePlayer(config, gallery.video, some)
        reader = Reader(Listener(player.config, gallery.video))
        listen = codes_of if some == size else None
        plain = components.first(some)
        forms = {
            (f"pca_{some}", f"plain PCA-{some}"): plain,
            (f"pca_{some}_uniform", f"uniform PCA-{some}"): plain.made_uniform(),
        }
        if some == size:
            forms["random_projection", "random projection"] = baselines.random_projection(
                gallery.training, some, np.random.default_rng(0), uniform=True
            )
        for (name, label), form in forms.items():
            codes = form.encode(np.concatenate([gallery.training, gallery.held_out]))
            sound, gain_db = player.play(codes, loudness_lufs)
            read = partial(gallery.decode_bands, reader=reader, gain_db=gain_db)
            held_out = codes[len(gallery.training) :]
            yield heard(name, label, gallery, cut(sound, gallery), read, listen, held_out)
    frames = np.concatenate([gallery.training, gallery.held_out])
    sound = baselines.voice(frames, gallery.video.frame_rate, gallery.sample_rate)
    sounds = cut(sound, gallery)
    yield heard("voice", "The vOICe, one frame a scan", gallery, sounds)


def ceilings(gallery: Gallery, components: baselines.LinearCode) -> dict[str, float]:
    """What principal components hold of the held-out pictures, in dB, before any sound."""
    gains = {}
    for size in pca_sizes(components.weights.shape[1]):
        form = components.first(size)
        flat = gallery.held_out.reshape(len(gallery.held_out), -1) - form.mean
        kept = form.mean + (flat @ form.weights) @ form.weights.T
        decoded = np.clip(kept, 0, 1).reshape(gallery.held_out.shape)
        gains[f"pca_{size}"] = gallery.gain_db(decoded)
    return gains


def pca_sizes(code_size: int) -> list[int]:
    """How many principal components are tried: as many as the code has values, and fewer."""
    return sorted({code_size, *(size for size in (32, 64) if size < code_size)}, reverse=True)


def cut(sound: Float[np.ndarray, " samples"], gallery: Gallery) -> Sounds:
    """The sound of the training pictures, and of those held out, played in one go."""
    frame_rate, rate = gallery.video.frame_rate, gallery.sample_rate
    at = tick_start(len(gallery.training), rate, frame_rate)
    return Sounds(sound[:at], sound[at:])


def heard(
    name: str,
    label: str,
    gallery: Gallery,
    sounds: Sounds,
    read: Callable[[Sounds], np.ndarray] | None = None,
    codes_of: CodesOf | None = None,
    codes: Float[np.ndarray, "m code"] | None = None,
) -> Contender:
    """How much of the held-out pictures each listener that applies gets back.

    Args:
      name: of the contender.
      label: of the contender.
      gallery: the pictures.
      sounds: of them all.
      read: decodes held-out pictures by readings of the code's own bands, where it has any.
      codes_of: the run's listener, where the code has as many values.
      codes: of the held-out pictures.
    """
    scores = {"mel": gallery.score(gallery.decode_mel(sounds))}
    if read is not None:
        scores["bands"] = gallery.score(read(sounds))
    if codes_of is not None:
        noisy = sounds.noisy()
        counts = len(gallery.training), len(gallery.held_out)
        codes_heard = [
            np.asarray(logits_of(jnp.asarray(codes_of(s, n))))
            for s, n in zip(noisy, counts, strict=True)
        ]
        scores["listener"] = gallery.score(gallery.decode(*codes_heard))
    ks = None if codes is None else ks_to_uniform(codes)
    return Contender(name, label, scores, ks, agreement(gallery, sounds))


def agreement(gallery: Gallery, sounds: Sounds) -> float:
    """Spearman's correlation of picture and log-mel distances, of clean held-out sound."""
    count = len(gallery.held_out)
    mel = log_mel(sounds.held_out, gallery.sample_rate, gallery.video.frame_rate, count)
    return distance_agreement(gallery.places, mel)


def slow_voice(gallery: Gallery) -> Contender:
    """The vOICe at its own pace: each picture held for a whole scan of 1.05 s.

    What it could say of a picture with all that time, not of a film: a ceiling.
    """
    secs, parts = baselines.VOICE_SECS, 25
    rate = 1 / Fraction(secs).limit_denominator(1000)
    features = []
    both = gallery.training, gallery.held_out
    sounds = Sounds(*(baselines.voice(pictures, rate, gallery.sample_rate) for pictures in both))
    for pictures, noisy in zip(both, sounds.noisy(), strict=True):
        mel = log_mel(noisy, gallery.sample_rate, rate * parts, len(pictures) * parts)
        features.append(mel.reshape(len(pictures), -1))
    score = gallery.score(gallery.decode(*features))
    return Contender("voice_slow", "The vOICe, 1.05 s a picture", {"mel": score})


def uniform_pca(contenders: list[Contender]) -> tuple[Contender, bool]:
    """The best PCA whose held-out codes are uniform, by whichever listener suits it best.

    Returns:
      It, and whether any was uniform on held-out pictures; else the best of those that were made
      uniform on training pictures.
    """
    known = [c for c in contenders if c.name.startswith("pca")]
    meeting = [c for c in known if c.ks is not None and c.ks <= UNIFORM]
    made = [c for c in known if c.name.endswith("uniform")]
    return max(meeting or made, key=lambda c: closest(c).gain_db.value), bool(meeting)


def closest(contender: Contender) -> Score:
    """The score of the listener that hears most."""
    return best(list(contender.scores.values()))


def loudness(sound: Float[np.ndarray, "samples ..."], sample_rate: int) -> float:
    """Integrated loudness in LUFS, of all channels together."""
    channels = np.atleast_2d(sound.T)
    lufs = np.array([float(integrated_loudness(channel, sample_rate)) for channel in channels])
    return float(10 * np.log10(np.sum(10 ** (lufs / 10))))
