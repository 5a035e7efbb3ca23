"""From a run directory to something playable. Every kind of run is named here."""

import importlib
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from wyh.errors import WyhError
from wyh.models.listener import ListenerConfig
from wyh.plain import from_plain
from wyh.runs import Run, load_variables
from wyh.specs import VideoSpec
from wyh.transducers.autoencoder import SonifierConfig
from wyh.transducers.insight import Insight, insight
from wyh.transducers.listener import Listener
from wyh.transducers.protocol import Transducer

if TYPE_CHECKING:
    from wyh.transducers.reader import Reader
    from wyh.transducers.visualizer import VisualizerConfig


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
) -> Player:
    """The transducer of a run and its variables.

    Args:
      run: from `wyh.runs`.
      checkpoint: best, latest, or the number of a step that is still kept.
      custom: `module:function`, called with the run to make the transducer. It comes from the
        command line alone: a run that somebody shared never names code to execute.
      stereo: whether its sound is to have two channels.
      video: the pictures it is to make, where it makes some; those it was trained on unless given.

    Raises:
      WyhError: unknown kind, damaged run, no such checkpoint or function.
    """
    transducer = _function(custom)(run) if custom is not None else transducer_of(run, stereo, video)
    if stereo and transducer.spec.audio.channels != 2:
        raise WyhError(f"got --stereo, but {custom} makes mono sound alone: leave it out")
    player = Player(run, transducer, _variables(run, checkpoint))
    if missing := player.transducer.needs - player.variables.keys():
        lacking = ", ".join(sorted(missing))
        raise WyhError(f"{run.directory} is damaged: its variables lack {lacking}; copy it again")
    return player


def _variables(run: Run, checkpoint: str) -> dict[str, Any]:
    if checkpoint in ("best", "latest"):
        return load_variables(run, checkpoint)
    if not checkpoint.isdecimal():
        raise WyhError(f"got the checkpoint {checkpoint!r}, wanted best, latest or a step's number")
    from wyh.checkpoints import load_checkpoint_variables  # Orbax: only where it is asked for

    return load_checkpoint_variables(run, int(checkpoint))


def transducer_of(run: Run, stereo: bool = False, video: VideoSpec | None = None) -> Transducer:
    """The transducer of a run of a kind that wyh knows, in mono unless `stereo`.

    One that makes pictures makes them as `video` wants them, or else as it was trained.
    """
    if run.stream is None:
        raise WyhError(f"{run.directory} is part of a model and cannot be played alone")
    match run.kind:
        case "autoencoder":
            from wyh.transducers.autoencoder import SonifierConfig, sonifier

            try:
                sound = from_plain(SonifierConfig, run.config.get("sound"))
                return sonifier(sound, run.stream.video, 2 if stereo else 1)
            except WyhError as error:
                raise WyhError(f"{run.directory}/config.json is damaged: {error}") from None
        case "synesthesia":
            from wyh.transducers.visualizer import visualizer

            return visualizer(visualizer_config(run), video or run.stream.video)
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
    try:
        return from_plain(VisualizerConfig, run.config.get("visual"))
    except WyhError as error:
        raise WyhError(f"{run.directory}/config.json is damaged: {error}") from None


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
        raise WyhError(f"{run.directory} is of the kind {run.kind!r}, which nothing can listen to")
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
