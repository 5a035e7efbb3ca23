"""The options of `wyh live`."""

from dataclasses import dataclass
from pathlib import Path

from wyh.errors import WyhError, check_range
from wyh.knobs import KNOBS, of_run
from wyh.specs import SynthName

SAFE_MS = (50.0, 50.0)  # kept ahead by us, and by the device
PERFORMANCE_MS = (15.0, 10.0)
MICROPHONE_MS, MICROPHONE_PERFORMANCE_MS = 30.0, 10.0  # that a microphone keeps


@dataclass(frozen=True)
class Config:
    """Play a model live: pictures become sound as they come, or sound pictures. Ctrl-C ends it."""

    source: str | None = None
    """Of pictures: a camera's number, /dev/..., camera:NAME; screen; a video file; an address such
    as http://...; - for y4m on standard input. Of sound: mic, mic:N, mic:NAME, mic:loopback for
    what the speaker plays; a song or film, which plays too; an address. Camera 0 or mic unless
    given, as the run needs; with --sink web page, which is the guest's own camera or microphone."""
    sink: str | None = None
    """For sound: speaker, or with a window: screen (either :N or :NAME); web; null; a .wav, .mp4 or
    .mkv; or - for mono f32le on standard output. For pictures: screen, a window (and of a file the
    speaker, :N or :NAME); web; null; an .mp4 or .mkv; /dev/videoN, a virtual camera (of
    v4l2loopback); or - for raw rgb24 on standard output. speaker or screen unless given, as the run
    needs."""
    run: Path | None = None  # the run to play; the newest under runs/ unless given
    scene: tuple[Path, ...] = ()  # more runs, to fade to with the knob scene
    checkpoint: str = "best"  # best, latest, or a step's number
    follow: bool = False  # play a run while it is trained, always with its newest variables
    duration: float | None = None  # seconds after which to end; with the source unless given
    loop: bool = False  # a film or song begins again at its end
    record: Path | None = None  # an .mp4 or .mkv for picture and sound, while it plays
    measure: bool = False
    """Measure how long a picture takes to be heard, with flashes: from a pipe, or with --sink
    screen from the window, which a camera must see."""
    listen: str | None = None  # with --measure, what hears it: mic, mic:NAME, mic:loopback
    json: bool = False  # print the summary as one JSON object
    size: str | None = None
    """WIDTHxHEIGHT of the pictures that are made; where standard input is raw rgb24, of these."""
    frame_rate: str | None = None  # Hz, likewise
    paced: bool = True  # standard input is played by its frame rate; no-paced: as it comes
    performance: bool = False  # as quick as possible: for a machine with nothing else to do
    buffer_ms: float | None = None  # of sound kept ahead of the sink, 10 to 2,000; 50 or 15
    device_ms: float | None = None
    """Of sound that a speaker keeps, 5 to 500; 50 or with --performance 10. A microphone's: 30, 10.
    """
    synth: SynthName | None = None  # what makes the sound; the run's own unless given
    reference: Path | None = None  # a recording to take phases or grains from; the run's own
    stereo: bool = False  # two channels, on standard output interleaved, left first
    set: tuple[str, ...] = ()  # knobs as name=value, such as phase=random gain_db=-6
    seed: int = 0  # of the sound's random phases
    full_screen: bool = False  # of the window
    host: str = "127.0.0.1"  # whom --sink web serves: 0.0.0.0 for all of the network, with TLS
    port: int = 8765  # of --sink web
    browser: bool = True  # open the page of --sink web
    osc: int | None = None  # a port for OSC: /wyh/param/NAME value turns a knob
    osc_to: str | None = None  # HOST:PORT that is sent /wyh/code and /wyh/level
    midi: str | None = None  # a MIDI input, by part of its name; "" for the first
    midi_map: Path | None = None  # a file for which control turns what
    learn: str | None = None  # a knob: the next MIDI control that moves will turn it
    log: Path | None = None
    """A file for what was played when, so that it can be replayed; with --sink web a folder."""
    transducer: str | None = None  # module:function, for a kind of your own

    @property
    def has_window(self) -> bool:
        """Whether the sink is a window."""
        return (self.sink or "").partition(":")[0] == "screen"

    @property
    def speaker(self) -> str | None:
        """Which speaker is beside the window; None for the system's own choice."""
        return (self.sink or "").partition(":")[2] or None

    @property
    def ring_ms(self) -> float:
        """Sound kept ahead of the sink."""
        preset = PERFORMANCE_MS if self.performance else SAFE_MS
        return preset[0] if self.buffer_ms is None else self.buffer_ms

    @property
    def device_latency_ms(self) -> float:
        """What a speaker is asked to keep."""
        preset = PERFORMANCE_MS if self.performance else SAFE_MS
        return preset[1] if self.device_ms is None else self.device_ms

    @property
    def microphone_ms(self) -> float:
        """What a microphone is asked to keep."""
        preset = MICROPHONE_PERFORMANCE_MS if self.performance else MICROPHONE_MS
        return preset if self.device_ms is None else self.device_ms


def check(config: Config) -> None:
    """Refuse what cannot be played, before anything is opened.

    Raises:
      WyhError: a value out of range, or options that contradict each other.
    """
    if config.duration is not None and not 0 < config.duration <= 1e7:
        raise WyhError(f"got --duration {config.duration:g}, wanted a number of seconds above 0")
    check_range("--buffer-ms", config.ring_ms, 10, 2000)
    check_range("--device-ms", config.device_latency_ms, 5, 500)
    here, there = Path(config.source or ""), Path(config.sink or "")
    if config.source and config.sink and here.exists() and there.exists() and here.samefile(there):
        raise WyhError(f"{there} is the source itself: choose another --sink")
    if config.record and config.record.suffix.lower() not in (".mp4", ".mkv"):
        raise WyhError(f"got --record {config.record}, wanted a name in .mp4 or .mkv")
    if config.log and (config.follow or config.scene):
        raise WyhError("got --log with --follow or --scene: only one model can be replayed")
    if config.reference and (config.follow or config.scene):
        raise WyhError("got --reference with --follow or --scene: these take their own")
    if config.source == "page" and config.sink != "web":
        sink = config.sink or "speaker"
        raise WyhError(f"got --source page with --sink {sink}: only --sink web has a page")
    if config.measure and (config.sink == "web" or config.duration or config.record):
        raise WyhError("got --measure with --sink web, --duration or --record: leave these out")
    if config.measure and config.source and not config.has_window:
        raise WyhError(
            "got --measure with --source: add --sink screen, whose flashes it shall see, or leave "
            "--source out"
        )
    take = config.record or Path("take.mp4")
    if there.absolute() == take.absolute():
        raise WyhError(f"got --sink {config.sink}, where takes are recorded: choose another")
    if config.follow and config.checkpoint != "best":
        raise WyhError("got --follow with --checkpoint: it always plays the latest, leave that out")
    if config.listen and not config.measure:
        raise WyhError("got --listen without --measure: add it, or leave --listen out")
    if config.learn and config.midi is None:
        raise WyhError("got --learn without --midi: name the input to learn from")


def check_for(direction: str, kind: str, config: Config) -> None:
    """Refuse what is of no use for a kind of run, of a direction.

    Raises:
      WyhError: such an option, or such a knob.
    """
    useful = of_run(direction, kind, KNOBS)
    for word in config.set:
        name = word.partition("=")[0]
        if name not in useful:
            makes = "sound" if direction == "see-hear" else "pictures"
            wanted = ", ".join(useful)
            raise WyhError(f"got the knob {name!r} with a run that makes {makes}, wanted {wanted}")
    if direction == "see-hear":
        return
    options = {
        "--scene": config.scene,
        "--measure": config.measure,
        "--stereo": config.stereo,
        "--synth": config.synth is not None,
        "--reference": config.reference is not None,
        "--buffer-ms": config.buffer_ms is not None,
    }
    for name, given in options.items():
        if given:
            raise WyhError(f"got {name} with a run that makes pictures: leave it out")
    if config.sink == "web" and config.source not in (None, "page"):
        raise WyhError(
            f"got --source {config.source} with --sink web: a page has a sound of its own, so "
            f"leave --source out"
        )
    if config.speaker and config.speaker != "null" and (config.source or "mic").startswith("mic"):
        raise WyhError(
            f"got --sink {config.sink} with --source {config.source}, whose sound is not played: "
            f"choose --sink screen"
        )
