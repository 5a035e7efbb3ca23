"""The protocol of a sonifier's report, from top to bottom: what its sound keeps of the pictures."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from wyh import baselines, knobs
from wyh.knobs import PHASES
from wyh.metrics.pictures import moved_one_pixel
from wyh.models.autoencoder import Autoencoder, decode_jit, encode_jit
from wyh.plain import from_plain
from wyh.report import rows, words
from wyh.report.contenders import ceilings, closed_forms, cut, heard, loudness, slow_voice
from wyh.report.decode import NOISE_DB, Gallery, Reader, Score, Sounds, mono
from wyh.report.findings import Contender, Findings, Measured, Pictures, Variation
from wyh.report.footage import gather
from wyh.report.instrument import Instrument
from wyh.report.live_cost import live_ms
from wyh.report.playing import flash_offset_ms, smoothness
from wyh.report.telling import teller
from wyh.runs import Run
from wyh.specs import StreamSpec
from wyh.synths.noise import NoiseSynth
from wyh.transducers.autoencoder import SonifierConfig
from wyh.transducers.kinds import listener_of, load_player
from wyh.transducers.panning import code_slopes

SHOWN_BANDS = 12
PLAYED_SECS = 4.0


def _oscillators(scale: str) -> dict[str, float | str]:
    return {"timbre": 1.0, "scale": scale}


VARIATIONS: tuple[tuple[str, Mapping[str, float | str]], ...] = (
    ("noise bands", {}),
    ("oscillators on the bands' own pitches", _oscillators("bands")),
    ("oscillators, pentatonic scale", _oscillators("pentatonic")),
    ("oscillators, twelve equal semitones", _oscillators("equal")),
    ("oscillators, just intonation", _oscillators("just")),
    ("oscillators, a scale of one's own", _oscillators("own")),
    ("half noise, half pentatonic", {"timbre": 0.5, "scale": "pentatonic"}),
    ("random phase", {"phase": "random"}),
    ("fixed phase", {"phase": "fixed"}),
    ("negative", {"negative": 1.0}),
    ("black is silent", {"black": 1.0}),
    ("stillness is silent", {"still": 1.0}),
)


def measure(run: Run, checkpoint: str, inputs: tuple[Path, ...], out: Path) -> Findings:
    """Measure all there is to say of a run that makes sound from pictures.

    Raises:
      WyhError: no pictures to measure on, or a run without a listener.
    """
    say = teller()
    player = load_player(run, checkpoint)
    listener = listener_of(player)
    spec = player.transducer.spec
    config = from_plain(SonifierConfig, run.config["sound"])
    footage = gather(run, inputs, out)
    gallery = Gallery(footage, spec.video, spec.audio.sample_rate)
    say(f"{len(gallery.held_out)} pictures from {footage.source}")

    # Training and held-out pictures in one go, so that no random phase is played twice.
    frames = np.concatenate([footage.training.frames, footage.held_out.frames])
    instrument = Instrument(player.transducer, player.variables)
    synth = NoiseSynth(config.synth, config.model.code_size)
    gain_db = float(player.variables["gain_db"])
    read = partial(gallery.decode_bands, reader=Reader(listener), gain_db=gain_db)

    def codes_of(sound: np.ndarray, count: int) -> np.ndarray:
        return np.asarray(listener.codes(player.variables, sound, count))

    def listened(sound: np.ndarray) -> np.ndarray:
        count = len(gallery.held_out)
        return np.clip(np.asarray(listener.pictures(player.variables, sound, count)), 0, 1)

    model = Autoencoder(config.model, spec.video.shape)
    params = player.variables["params"]
    codes = np.asarray(encode_jit(model, params, gallery.held_out))
    silent = gallery.gain_db(np.clip(np.asarray(decode_jit(model, params, codes)), 0, 1))
    moved_codes = np.asarray(encode_jit(model, params, moved_one_pixel(gallery.held_out)))

    phases: dict[str, dict[str, Score]] = {}
    for phase in PHASES:
        sounds = cut(instrument.play(frames, knobs.defaults(phase=phase)), gallery)
        known = listened(sounds.noisy().held_out)
        one = heard("run", "this run", gallery, sounds, read, None, codes)
        phases[phase] = {"listened": gallery.score(known), **one.scores}
        if knobs.defaults()["phase"] == PHASES.index(phase):
            shown, own_sounds = known, sounds
            own = Contender("run", "this run", phases[phase], one.ks, one.spearman, own=True)
            clean = gallery.score(listened(sounds.held_out))
        say(f"sound with {phase} phase: {phases[phase]['listened'].gain_db.value:.2f} dB")
    contenders = [own]
    lufs = run.config.get("loudness_lufs", -23.0)
    components = baselines.pca(gallery.training, config.model.code_size)
    for contender in closed_forms(gallery, components, config, codes_of, lufs):
        contenders.append(contender)
        gains = ", ".join(f"{k} {s.gain_db.value:.2f} dB" for k, s in contender.scores.items())
        say(f"{contender.label}: {gains}")
    contenders.append(slow_voice(gallery))
    say("The vOICe at its own pace")

    typical = footage.held_out.frames[len(footage.held_out.frames) // 2]
    smooth = smoothness(instrument, synth, typical)
    offset = flash_offset_ms(instrument, typical)
    say("a picture that stands still, and one that flashes")
    timed = live_ms(player)
    say("computing time")
    stereo = load_player(run, checkpoint, stereo=True)
    variations = [
        vary(label, instrument, turned, frames, gallery, read) for label, turned in VARIATIONS
    ]
    both = Instrument(stereo.transducer, stereo.variables)
    variations.insert(1, vary("noise bands, stereo", both, {}, frames, gallery, read))
    say("other ways to sound")

    bands = np.unique(np.linspace(0, config.model.code_size - 1, SHOWN_BANDS).round().astype(int))
    few = gallery.held_out[:: -(-len(gallery.held_out) // 12)]
    slopes = np.asarray(_slopes(model, params, few, jnp.asarray(bands)))
    slopes = slopes * gallery.training.std(axis=0)  # what moves much counts more
    say("which pixels move which band")
    figures = rows.figures(
        Measured(
            own=own,
            clean=clean,
            silent={"run": silent} | ceilings(gallery, components),
            contenders=contenders[1:],
            codes=codes,
            moved_codes=moved_codes,
            smooth=smooth,
            offset_ms=offset,
            latency_ms=1000 * spec.latency_secs,
            compute_ms=timed,
            budget_ms=spec.budget_ms,
            sound=own_sounds.held_out,
            sample_rate=spec.audio.sample_rate,
            count=len(gallery.held_out),
        )
    )
    seen = footage.held_out.frames
    middle = np.array([np.flatnonzero(synth.bins == b).mean() for b in range(synth.n_bands)])
    return Findings(
        title="What you hear is what you see",
        sentence=words.sentence(own, contenders[1:]),
        source=footage.source,
        sample_rate=spec.audio.sample_rate,
        frame_rate=float(spec.video.frame_rate),
        figures=figures,
        contenders=contenders,
        phases=phases,
        variations=variations,
        pictures=Pictures(
            seen=seen,
            known=shown,
            sound=own_sounds.held_out,
            codes=codes,
            slopes=slopes,
            slope_bands=bands,
            band_hz=middle * config.synth.sample_rate / config.synth.n_fft,
        ),
        latency=latency_parts(spec, synth, timed),
        method=words.method(footage, NOISE_DB),
        run={
            "created": run.created,
            "frame_rate": str(spec.video.frame_rate),
            "versions": run.versions,
        },
    )


def vary(
    label: str,
    instrument: Instrument,
    turned: Mapping[str, float | str],
    frames: np.ndarray,
    gallery: Gallery,
    read: Callable[[Sounds], np.ndarray],
) -> Variation:
    """Play with some knobs turned; the same closed-form listeners for all."""
    sound = instrument.play(frames, knobs.defaults(**turned))
    sounds = cut(mono(sound), gallery)
    held_out = sound[len(sounds.training) :]
    return Variation(
        label,
        dict(turned),
        gallery.gain_db(read(sounds)),
        gallery.gain_db(gallery.decode_mel(sounds)),
        loudness(held_out, gallery.sample_rate),
        held_out[: round(PLAYED_SECS * gallery.sample_rate)],
    )


def latency_parts(
    spec: StreamSpec, synth: NoiseSynth, taken_ms: Float[np.ndarray, "ticks stages"]
) -> list[tuple[str, float]]:
    """What the time from a picture to its sound is made of, in ms; medians of what is computed."""
    ms = 1000 / spec.audio.sample_rate
    half, ahead = synth.config.n_fft // 2, synth.limiter.latency_samples
    observe, emit = np.median(taken_ms, axis=0)
    return [
        ("half a spectrum", half * ms),
        ("half a glide", (spec.latency_samples - half - ahead) * ms),
        ("the limiter's look ahead", ahead * ms),
        ("computing the code", float(observe)),
        ("computing the sound", float(emit)),
    ]


@jax.jit(static_argnums=0)
def _slopes(
    model: Autoencoder,
    params: object,
    pictures: Float[Array, "n height width channel"],
    bands: Int[Array, " some"],
) -> Float[Array, "some height width channel"]:
    """How much each pixel moves each of some bands, over typical pictures."""
    each = jax.lax.map(lambda picture: code_slopes(model, params, picture, bands), pictures)
    return jnp.mean(each, axis=0)
