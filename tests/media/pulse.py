"""A PulseAudio server of a test's own: two speakers that lead nowhere, and a microphone.

What goes to the speaker `Stage` can be recorded; what goes to `Room` is what `Voice` hears. All
samples are float32 at one rate, so that what comes out is what went in, bit by bit.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

RATE = 48000
NEEDED = ("pulseaudio", "parec", "pacat")
MISSING = [name for name in NEEDED if shutil.which(name) is None]
REASON = "needs the Debian packages pulseaudio and pulseaudio-utils"
# Without rewinds a speaker that leads nowhere wakes up at once, not after its two seconds' buffer.
_SINK = "channels=1 format=float32le norewinds=1"
_START_SECS = 20.0
_FORMAT = ["--raw", "--format=float32le", "--channels=1", "--latency-msec=20"]


class Pulse:
    """A server that can be killed and started again."""

    def __init__(self, folder: Path, rate: int = RATE):
        """Make a server that keeps all its files in a folder, whose name must be short."""
        self._sink, self._format = f"rate={rate} {_SINK}", [*_FORMAT, f"--rate={rate}"]
        self._folder, self.socket = folder, folder / "native"
        self._process: subprocess.Popen[bytes] | None = None
        # Nothing of the user's is read or written.
        own = ("HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "PULSE_RUNTIME_PATH")
        self.environment = {name: str(folder) for name in own} | {
            "PULSE_SERVER": f"unix:{self.socket}",
            "PULSE_COOKIE": str(folder / "cookie"),
        }

    def start(self) -> None:
        """Start it, and wait until it answers."""
        modules = [
            f"module-native-protocol-unix auth-anonymous=1 socket={self.socket}",
            *(
                f"module-null-sink sink_name={name.lower()} {self._sink} "
                f"sink_properties=device.description={name}"
                for name in ("Stage", "Room")
            ),
            "module-remap-source source_name=voice master=room.monitor remix=no "
            "source_properties=device.description=Voice",
        ]
        options = ["-n", "--daemonize=no", "--use-pid-file=no", "--exit-idle-time=-1"]
        loads = [word for module in modules for word in ("-L", module)]
        self.socket.unlink(missing_ok=True)
        self._process = subprocess.Popen(
            ["pulseaudio", *options, *loads],
            env=os.environ | self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        end = time.perf_counter() + _START_SECS
        while self._call(["pactl", "list", "short", "sources"]).count("\n") < 3:
            if self._process.poll() is not None or time.perf_counter() > end:
                raise RuntimeError("PulseAudio did not start")
            time.sleep(0.05)

    def _call(self, command: list[str]) -> str:
        return subprocess.run(
            command, env=os.environ | self.environment, capture_output=True, text=True, check=False
        ).stdout

    def kill(self) -> None:
        """End it as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    @contextmanager
    def recording(self, source: str = "stage.monitor") -> Iterator["Recording"]:
        """Record what a speaker plays."""
        command = ["parec", "-d", source, *self._format]
        with tempfile.TemporaryFile(dir=self._folder) as file:
            recorder = subprocess.Popen(
                command,
                env=os.environ | self.environment,
                stdout=file,
                stderr=subprocess.DEVNULL,
            )
            try:
                recording = Recording(file.fileno())
                recording.wait(1)
                yield recording
            finally:
                recorder.kill()
                recorder.wait()

    @contextmanager
    def playing(self, sound: np.ndarray, sink: str = "room") -> Iterator[None]:
        """Play a sound into a speaker, once."""
        with tempfile.TemporaryFile(dir=self._folder) as file:
            file.write(sound.astype("<f4").tobytes())
            file.seek(0)
            player = subprocess.Popen(
                ["pacat", "-p", "-d", sink, *self._format],
                env=os.environ | self.environment,
                stdin=file,
                stderr=subprocess.DEVNULL,
            )
            try:
                yield
            finally:
                player.kill()
                player.wait()


class Recording:
    """What has been recorded so far."""

    def __init__(self, file: int):
        """Read from a file that another program writes."""
        self._file = file

    def samples(self) -> np.ndarray:
        """All of it, `float32 [samples]`."""
        size = os.fstat(self._file).st_size // 4 * 4
        return np.frombuffer(os.pread(self._file, size, 0), "<f4")

    def wait(self, count: int, secs: float = 30.0) -> None:
        """Wait until there are so many samples."""
        end = time.perf_counter() + secs
        while len(self.samples()) < count:
            if time.perf_counter() > end:
                raise RuntimeError(f"{count} samples were never recorded")
            time.sleep(0.02)


@contextmanager
def serve(rate: int = RATE) -> Iterator[Pulse]:
    """A running server of speakers at one rate; nothing is left of it."""
    folder = Path(tempfile.mkdtemp(prefix="wyh-"))  # pytest's names are too long for a socket
    pulse = Pulse(folder, rate)
    try:
        pulse.start()
        yield pulse
    finally:
        pulse.kill()
        with suppress(OSError):
            shutil.rmtree(folder)


def places(heard: np.ndarray, played: np.ndarray) -> np.ndarray:
    """Where each sample that was heard stands in what was played, whose samples all differ.

    Args:
      heard: `[samples]`; silence is left out.
      played: `[samples]`, without silence.

    Returns:
      Positions in `played`; -1 of a sample that is not from there.
    """
    heard = heard[heard != 0]
    order = np.argsort(played, kind="stable")
    at = np.minimum(np.searchsorted(played[order], heard), len(played) - 1)
    found = order[at]
    return np.where(played[found] == heard, found, -1)


def noise(count: int, seed: int = 0) -> np.ndarray:
    """White noise of samples that all differ, none of them 0, `float32 [count]`."""
    rng = np.random.default_rng(seed)
    values = (np.arange(1, count + 1) / count).astype(np.float32) * np.float32(0.2)
    return rng.permutation(values) * rng.choice(np.array([-1, 1], np.float32), count)
