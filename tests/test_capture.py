import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.conftest import ended
from tests.media import clips
from tests.media.live_sources import Server, wait_for
from wyh import capture
from wyh.capture import Config
from wyh.errors import WyhError
from wyh.media.microphone import Microphone
from wyh.media.probe import probe

posix = pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")


class Ear(Microphone):
    """Counts its samples, in real time; may call somebody at a sample."""

    latency_secs = 0.0
    name = "an ear"

    def __init__(self, sample_rate, channels, block):
        self.rate, self.channels, self.block = sample_rate, channels, block
        self.count, self.opened = 0, time.perf_counter()
        self.calls = {}

    def start(self):
        self.opened = time.perf_counter()

    def close(self):
        pass

    def read(self):
        at = self.count + np.arange(self.block)
        self.count += self.block
        time.sleep(max(0.0, self.opened + self.count / self.rate - time.perf_counter()))
        for sample in [sample for sample in self.calls if sample <= self.count]:
            self.calls.pop(sample)()
        block = ((at % 20_000) / 32_768).astype(np.float32)
        return block if self.channels == 1 else np.stack([block, -block], axis=1)


@pytest.fixture
def ears(monkeypatch):
    """The microphones that are opened, `(device, Ear)`; `.calls` are for the next one."""

    class Opened(list):
        def __init__(self):
            super().__init__()
            self.calls = {}

    opened = Opened()

    def open_microphone(device, *, sample_rate, channels=1, block, note):
        if device == "none":
            raise WyhError("got no microphone of that name, wanted one of: an ear")
        opened.append((device, Ear(sample_rate, channels, block)))
        opened[-1][1].calls, opened.calls = opened.calls, {}
        return opened[-1][1]

    monkeypatch.setattr(capture, "open_microphone", open_microphone)
    return opened


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return clips.make(tmp_path_factory.mktemp("film"), clips.RECIPES["cfr_mp4"])


@pytest.fixture
def run(capsys):
    """Runs the command: `run(source=..., ...) -> (status, stdout, stderr)`."""

    def call(*words, **options):
        options = {name.replace("_", "-"): value for name, value in options.items()}
        return ended(capsys, capture.main, Config, "wyh capture", *words, **options)

    return call


def test_footage_of_a_film(run, film, tmp_path):
    out = tmp_path / "new" / "out.mp4"
    status, said, told = run(source=film, secs=1, out=out)
    assert (status, said) == (0, f"{out}\n")
    assert told.splitlines()[-1] == "1.00 s, 25 pictures"
    assert len(clips.read_video(out)[0]) == 25 and probe(out).has_audio


def test_no_file_is_written_over(run, film, tmp_path):
    out = tmp_path / "out.mkv"
    out.write_bytes(b"precious")
    status, said, told = run(source=film, secs=0.4, out=out, sound="none")
    assert (status, said) == (0, f"{tmp_path / 'out-2.mkv'}\n")
    assert f"{out} is there already: this is out-2.mkv" in told
    assert out.read_bytes() == b"precious" and not probe(tmp_path / "out-2.mkv").has_audio


def test_footage_with_a_microphone(run, ears, tmp_path):
    with closing(Server()) as server:
        status, _, told = run(
            "--stereo", source=server.url, secs=1, out=tmp_path / "out.mp4", sound="mic:usb"
        )
    assert status == 0 and "sound from an ear" in told
    assert [device for device, _ in ears] == ["usb"]
    assert probe(tmp_path / "out.mp4").audio_layout == "stereo"


def test_a_source_that_goes_is_told_and_what_came_is_kept(run, tmp_path):
    out = tmp_path / "out.mp4"
    server = Server()
    going = threading.Timer(1.5, server.close)
    going.start()
    status, said, told = run(source=server.url, secs=60, out=out)
    going.join()
    assert (status, said) == (2, f"{out}\n")
    assert "ended after" in told and f"what came before is in {out}" in told
    assert len(clips.read_video(out)[0]) > 5


def test_one_sound(run, ears, tmp_path):
    out = tmp_path / "new" / "out.wav"
    status, said, told = run(source="mic", secs=0.25, out=out)
    assert (status, said) == (0, f"{out}\n")
    assert told.splitlines() == ["recording an ear; Ctrl-C ends", "0.25 s"]
    sound, rate = soundfile.read(out, dtype="int16")
    assert rate == 48_000 and ears[0][0] is None
    np.testing.assert_array_equal(sound, np.arange(12_000) % 20_000)


def test_a_full_disk_keeps_what_there_is(run, ears, tmp_path, monkeypatch):
    write, written = capture.WavWriter.write, []

    def filling(self, block):
        if len(written) == 5:
            raise WyhError("cannot be written: the disk may be full")
        written.append(block)
        write(self, block)

    monkeypatch.setattr(capture.WavWriter, "write", filling)
    out = tmp_path / "out.wav"
    status, _, told = run(source="mic", secs=60, out=out)
    assert status == 2
    assert f"the disk may be full; what came before is in {out}" in told
    assert soundfile.info(out).frames == sum(map(len, written)) > 0
    written.clear()
    status, _, told = run(source="mic", secs=60, out=tmp_path / "sounds", label="clap")
    assert status == 2 and not list((tmp_path / "sounds").rglob("*.*"))


def test_a_folder_may_be_called_mic(run, ears, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mic").mkdir()
    assert run(source="mic", secs=0.1, label="mic", out=".")[0] == 0
    assert (tmp_path / "mic" / "mic-001.wav").exists()


def test_sounds_of_a_label(run, ears, tmp_path):
    folder = tmp_path / "sounds"
    (folder / "clap").mkdir(parents=True)
    (folder / "clap" / "clap-007.wav").touch()
    status, said, told = run(
        source="mic:2", secs=0.1, takes=2, pause=0.1, label="clap", out=folder, sample_rate=8000
    )
    names = [folder / "clap" / f"clap-00{number}.wav" for number in (8, 9)]
    assert (status, said.split()) == (0, [str(name) for name in names])
    assert "take 2 of 2: clap-009.wav in 0.1 s" in told
    assert ears[0][0] == "2"
    for name, first in zip(names, (800, 2400), strict=True):  # what is heard in the pause goes by
        sound, rate = soundfile.read(name, dtype="int16")
        assert (rate, len(sound)) == (8000, 800) and abs(int(sound[0]) - first) <= 400
        np.testing.assert_array_equal(np.diff(sound), 1)


def test_both_channels(run, ears, tmp_path):
    run("--stereo", source="mic", secs=0.1, out=tmp_path / "out.wav")
    sound, _ = soundfile.read(tmp_path / "out.wav", dtype="int16")
    assert sound.shape == (4800, 2) and (sound[:, 0] == -sound[:, 1]).all()


@posix
def test_ending_a_sound_early_keeps_what_there_is(run, ears, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    ears.calls[12_000] = lambda: os.kill(os.getpid(), signal.SIGINT)
    status, said, told = run(source="mic", secs=60, out=tmp_path / "out.wav")
    assert (status, said) == (0, f"{tmp_path / 'out.wav'}\n") and "\n0.25 s\n" in told
    assert len(soundfile.read(tmp_path / "out.wav")[0]) == 12_000
    assert signal.getsignal(signal.SIGINT) is before


@posix
def test_ending_sounds_of_a_label_early_keeps_the_whole_ones(run, ears, tmp_path):
    ears.calls[12_000] = lambda: os.kill(os.getpid(), signal.SIGTERM)
    status, said, _ = run(source="mic", secs=0.2, takes=9, pause=0, label="clap", out=tmp_path)
    assert (status, said) == (0, f"{tmp_path / 'clap' / 'clap-001.wav'}\n")
    assert os.listdir(tmp_path / "clap") == ["clap-001.wav"]


def start(*arguments):
    command = [sys.executable, "-m", "wyh.capture", *map(str, arguments)]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(capture.__file__).parents[1],
    )


@posix
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_footage_is_there_however_it_ends(tmp_path, number):
    out = tmp_path / "out.mp4"
    with closing(Server()) as server:
        process = start("--source", server.url, "--secs", 60, "--out", out)
        wait_for(lambda: out.exists() and out.stat().st_size > 5_000, 60)
        process.send_signal(number)
        said, told = process.communicate(timeout=60)
        killed = number == signal.SIGKILL
        assert (process.returncode, said) == ((-9, "") if killed else (0, f"{out}\n"))
        assert killed or told.splitlines()[-1].endswith(" pictures")
    assert len(clips.read_video(out, strict=False)[0]) > 10
    assert os.listdir(tmp_path) == ["out.mp4"]


@pytest.mark.parametrize(
    "options, message",
    [
        ({"secs": 0}, "got --secs 0 s, wanted 0.05 to 86400 s"),
        ({"takes": 0}, "got --takes 0, wanted 1 to 10000"),
        ({"pause": 99}, "got --pause 99 s, wanted 0 to 60 s"),
        ({"sample_rate": 1}, "got --sample-rate 1 Hz, wanted 4000 to 192000 Hz"),
        ({"out": "a.wav"}, "got --out a.wav, wanted a name in .mp4, .mkv, .mov"),
        ({"source": "-"}, "--source - is in your hands already: give a camera, screen, or address"),
        ({"sound": "loud"}, "got --sound loud, wanted mic, mic:NAME or none"),
        ({"label": "clap"}, "--label and --takes are for --source mic; footage is one file"),
        ({"takes": 2}, "--label and --takes are for --source mic; footage is one file"),
        ({"source": "none.mp4"}, "none.mp4: no such file; check the name"),
        ({"source": "mic"}, "got --out a.mp4, wanted a .wav, or a folder with --label"),
        (
            {"source": "mic", "sound": "mic", "out": "a.wav"},
            "got --sound mic: --source mic is sound already",
        ),
        (
            {"source": "mic", "takes": 2, "out": "a.wav"},
            "got --takes 2 for one file, wanted --label and a folder",
        ),
        (
            {"source": "mic", "label": "clap", "out": "a.wav"},
            "got --out a.wav with --label, wanted a folder",
        ),
        (
            {"source": "mic", "label": "../clap", "out": "a"},
            "got --label '../clap', wanted a word that can name a folder",
        ),
        (
            {"source": "mic:none", "out": "a.wav"},
            "got no microphone of that name, wanted one of: an ear",
        ),
    ],
)
def test_what_cannot_be(run, ears, tmp_path, monkeypatch, options, message):
    monkeypatch.chdir(tmp_path)
    status, said, told = run(**{"source": "screen", "secs": 1, "out": "a.mp4"} | options)
    assert (status, said, told) == (2, "", f"wyh capture: {message}\n")
    assert not os.listdir(tmp_path)
