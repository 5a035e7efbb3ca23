"""From a run directory to something playable. Every kind of run is named here."""

import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from jaxtyping import Int16

from wyh.errors import WyhError
from wyh.models.listener import ListenerConfig
from wyh.plain import from_plain
from wyh.runs import Run, load_variables
from wyh.specs import SynthName, VideoSpec
from wyh.synths.named import synth_named
from wyh.synths.prediction import Prediction
from wyh.synths.protocol import Synth
from wyh.synths.reference import corpus
from wyh.transducers.autoencoder import SonifierConfig
from wyh.transducers.insight import Insight, insight
from wyh.transducers.listener import Listener
from wyh.transducers.protocol import Transducer

if TYPE_CHECKING:
    from wyh.transducers.reader import Reader
    from wyh.transducers.visualizer import VisualizerConfig

T = TypeVar("T")


@dataclass(frozen=True)
class Player:
    """A run, ready to compile and play."""

    run: Run
    transducer: Transducer
    variables: dict[str, Any]


def load_player(
    run: Run,
    checkpoint: str = "best",
    custom: str | None = None,
    *,
    stereo: bool = False,
    video: VideoSpec | None = None,
    synth: SynthName | None = None,
    reference: Int16[np.ndarray, " samples"] | None = None,
    refine: int = 0,
) -> Player:
    """The transducer of a run and its variables.

    Args:
      run: from `wyh.runs`.
      checkpoint: best, latest, or the number of a step that is still kept.
      custom: `module:function`, called with the run to make the transducer. It comes from the
        command line alone: a run that somebody shared never names code to execute.
      stereo: whether its sound is to have two channels.
      video: the pictures it is to make, where it makes some; those it was trained on unless given.
      synth: what makes its sound; the run's own unless given.
      reference: sound for a synth that takes phases or grains from some, mono at the run's sample
        rate; that of the run's own training, where it has some, unless given.
      refine: steps towards what each picture is to show, of a run that dreams.

    Raises:
      WyhError: unknown kind, damaged run, no such checkpoint or function; a synth that cannot play
        the run.
    """
    if custom is not None and (synth is not None or reference is not None):
        given = "--reference" if synth is None else f"--synth {synth}"
        raise WyhError(f"got {given} with --transducer, which has its own: leave one out")
    if refine and (custom is not None or run.kind != "hallucinate"):
        dreams = custom or f"a run of {run.kind}"
        raise WyhError(f"got --refine {refine}, but {dreams} has nothing to refine: leave it out")
    transducer = (
        _function(custom)(run) if custom is not None else transducer_of(run, stereo, video, refine)
    )
    if stereo and transducer.spec.audio.channels != 2:
        only = custom or f"a run of {run.kind}"
        raise WyhError(f"got --stereo, but {only} makes mono sound alone: leave it out")
    variables, needs = _variables(run, checkpoint), transducer.needs
    if synth is not None:
        player = synth_named(synth, prediction_of(run))
        transducer, needs = _played_by(player, run, transducer, stereo), player.needs
    if reference is not None:
        if "note_reference" in needs:
            raise WyhError(
                "got --reference with the synth knn, which has to know what is struck in it: leave "
                "it out"
            )
        if "reference" not in needs:
            raise WyhError(
                "got --reference, but nothing is taken from it: leave it out, or add --synth "
                "exemplar or reference_phase"
            )
        variables |= {"reference": corpus(reference, prediction_of(run))}
    elif synth is not None and "reference" in needs - variables.keys():
        raise WyhError(
            f"got --synth {synth}, which takes from a recording, and {run.directory} has none: "
            f"name one with --reference"
        )
    elif synth is not None and "note_reference" in needs - variables.keys():
        raise WyhError(
            f"got --synth {synth}, which takes from the sound a run learned from, and "
            f"{run.directory} keeps none: train it again, or choose additive"
        )
    if missing := transducer.needs - variables.keys():
        lacking = ", ".join(sorted(missing))
        raise WyhError(f"{run.directory} is damaged: its variables lack {lacking}; copy it again")
    return Player(run, transducer, variables)


def _played_by(synth: Synth, run: Run, transducer: Transducer, stereo: bool) -> Transducer:
    """Played by a synth; by the run's own, with its scale and in stereo, where it is the same."""
    if synth.name == "noise" and run.kind == "autoencoder":
        return transducer
    if stereo:
        raise WyhError(
            f"got --stereo with --synth {synth.name}, which is mono: leave one of them out"
        )
    return transducer.played_by(synth)


def prediction_of(run: Run) -> Prediction:
    """What a run that makes sound predicts once a picture, for any synth to play.

    Raises:
      WyhError: it makes pictures, or is damaged.
    """
    assert run.stream is not None  # else it could not have been loaded
    match run.kind:
        case "autoencoder":
            from wyh.transducers import autoencoder

            sound = _read(run, autoencoder.SonifierConfig, "sound")
            return autoencoder.prediction_of(sound, run.stream.video)
        case "dbn":
            from wyh.transducers import dbn

            return dbn.target_of(_read(run, dbn.FoleyConfig, "sound"), run.stream.video).prediction
        case "marimba":
            from wyh.transducers import recurrent

            played = _read(run, recurrent.PlayerConfig, "sound")
            return recurrent.prediction_of(played, run.stream.video)
        case _:
            raise WyhError(f"got --synth, but {run.directory} makes no sound: leave it out")


def _read(run: Run, wanted: type[T], name: str) -> T:
    """A part of a run's configuration."""
    with _as_configured(run):
        return from_plain(wanted, run.config.get(name))


@contextmanager
def _as_configured(run: Run) -> Iterator[None]:
    """Within, what is wrong is wrong with a run's configuration."""
    try:
        yield
    except WyhError as error:
        raise WyhError(f"{run.directory}/config.json is damaged: {error}") from None


def _variables(run: Run, checkpoint: str) -> dict[str, Any]:
    if checkpoint in ("best", "latest"):
        return load_variables(run, checkpoint)
    if not checkpoint.isdecimal():
        raise WyhError(f"got the checkpoint {checkpoint!r}, wanted best, latest or a step's number")
    from wyh.checkpoints import load_checkpoint_variables  # Orbax: only where it is asked for

    return load_checkpoint_variables(run, int(checkpoint))


def part_of_a_model(run: Run) -> WyhError:
    """That a run has no stream; and what makes one of it, where anything does."""
    told = f"{run.directory} is part of a model and cannot be played alone"
    if run.kind not in ("sound_classifier", "dcgan"):
        return WyhError(told)
    return WyhError(
        f"{told}: join one that hears and one that shows with python -m experiments.hallucinate "
        f"--classifier RUN --generator RUN"
    )


def transducer_of(
    run: Run, stereo: bool = False, video: VideoSpec | None = None, refine: int = 0
) -> Transducer:
    """The transducer of a run of a kind that wyh knows, in mono unless `stereo`.

    One that makes pictures makes them as `video` wants them, or else as it was trained. One that
    dreams refines each in so many steps.
    """
    if run.stream is None:
        raise part_of_a_model(run)
    match run.kind:
        case "autoencoder":
            from wyh.transducers.autoencoder import SonifierConfig, sonifier

            sound = _read(run, SonifierConfig, "sound")
            with _as_configured(run):
                return sonifier(sound, run.stream.video, 2 if stereo else 1)
        case "dbn":
            from wyh.transducers.dbn import FoleyConfig, foley

            learned = _read(run, FoleyConfig, "sound")
            with _as_configured(run):
                return foley(learned, run.stream.video)
        case "marimba":
            from wyh.transducers import recurrent

            played = _read(run, recurrent.PlayerConfig, "sound")
            with _as_configured(run):
                return recurrent.player(played, run.stream.video)
        case "synesthesia":
            from wyh.transducers.visualizer import visualizer

            return visualizer(visualizer_config(run), video or run.stream.video)
        case "hallucinate":
            from wyh.transducers.hallucination import HallucinationConfig, hallucination

            dream = _read(run, HallucinationConfig, "dream")
            with _as_configured(run):
                return hallucination(dream, video or run.stream.video, refine)
        case _:
            raise WyhError(
                f"{run.directory} is of the kind {run.kind!r}, which this version does not know: "
                f"update wyh, or name its code with --transducer"
            )


def visualizer_config(run: Run) -> "VisualizerConfig":
    """What a run that makes pictures from sound is made of.

    Raises:
      WyhError: it is of another kind, or damaged.
    """
    from wyh.transducers.visualizer import VisualizerConfig

    if run.kind != "synesthesia":
        raise WyhError(f"{run.directory} is of the kind {run.kind!r}, wanted synesthesia")
    return _read(run, VisualizerConfig, "visual")


def insight_of(player: Player) -> Insight | None:
    """What shows the picture that is still in the sound of a run; None where nothing can."""
    if player.run.kind != "autoencoder" or player.transducer.spec.direction != "see-hear":
        return None
    sound = from_plain(SonifierConfig, player.run.config.get("sound"))
    return insight(sound, player.transducer.spec.video)


def listener_of(player: Player) -> Listener:
    """The listener that was trained with a run that makes sound.

    Raises:
      WyhError: the run makes no sound, or has no listener.
    """
    run, spec = player.run, player.transducer.spec
    if spec.direction != "see-hear" or run.kind != "autoencoder":
        raise WyhError(
            f"{run.directory} is of the kind {run.kind!r}, which nothing can listen to: name a run "
            f"of experiments.autoencoder with --run"
        )
    if "listener" not in player.variables:
        raise WyhError(f"{run.directory} was trained before runs had listeners: train it again")
    sizes = from_plain(ListenerConfig, run.config.get("listener", asdict(ListenerConfig())))
    return Listener(from_plain(SonifierConfig, run.config.get("sound")), spec.video, sizes)


def reader_of(player: Player) -> "Reader":
    """What reads the sound back from the pictures of a run that makes pictures.

    Raises:
      WyhError: the run makes no pictures, or is damaged.
    """
    from wyh.models.wave_decoder import WaveConfig
    from wyh.transducers.reader import Reader

    run = player.run
    config = visualizer_config(run)
    assert run.stream is not None  # else it could not have been loaded
    if "decoder" not in player.variables["params"]:
        raise WyhError(f"{run.directory} is damaged: its variables lack params/decoder")
    try:
        wave = from_plain(WaveConfig, run.config.get("wave", asdict(WaveConfig())))
    except WyhError as error:
        raise WyhError(f"{run.directory}/config.json is damaged: {error}") from None
    read = replace(run.stream.video, height=config.height, width=config.width)
    return Reader(config, read, wave)


def _function(name: str) -> Any:
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise WyhError(f"got --transducer {name!r}, wanted module:function ({error})") from None
