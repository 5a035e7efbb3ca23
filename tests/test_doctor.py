import json
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from tests.conftest import ended, make_run
from tests.hearing import make_foley_run
from wyh import doctor
from wyh.doctor import Config
from wyh.live import check, outside
from wyh.live.check import Speed
from wyh.live.outside import Finding
from wyh.media import cameras, sound_devices, sound_portaudio
from wyh.media.cameras import Camera
from wyh.media.sound_stream import Device, NoSound

# Off the playing path: slow to import, needed for training alone.
HEAVY = ("orbax", "optax", "scipy.signal", "tensorflow_datasets", "grain", "matplotlib", "tqdm")
DEVICES = [
    Device("speaker", 0, "Speakers", True, "sounddevice"),
    Device("speaker", 1, "HDMI", False, "sounddevice"),
    Device("microphone", 0, "Webcam", True, "sounddevice"),
]


class Stream:
    name, backend, latency_secs = "Speakers", "sounddevice", 0.0425
    closed = False

    def close(self):
        Stream.closed = True


def speed(factor=1.0):
    stage = {"p50": 2.0 * factor, "p95": 3.0 * factor, "p99": 4.0 * factor}
    return Speed(0.25, None, {"observe": stage, "emit": stage}, {"observe": 40.0, "emit": 10.0})


@pytest.fixture
def fit(tmp_path, monkeypatch):
    """A machine that has all there is; its run."""
    monkeypatch.chdir(tmp_path)
    run = make_run(Path("runs/one"))
    monkeypatch.setattr(cameras, "list_cameras", lambda: [Camera(0, "Webcam", "/dev/video0")])
    monkeypatch.setattr(cameras, "_check_allowed", lambda camera: None)
    monkeypatch.setattr(sound_devices, "list_devices", lambda: DEVICES)
    monkeypatch.setattr(sound_devices, "usable", lambda: ("sounddevice",))
    monkeypatch.setattr(sound_devices, "open_stream", lambda wanted, device: Stream())
    monkeypatch.setattr(sound_portaudio, "library", lambda: object())
    monkeypatch.setattr(outside, "find_spec", lambda module: object())
    monkeypatch.setattr("wyh.media.midi.input_names", lambda: ["nanoKONTROL2"])
    monkeypatch.setattr(check, "measure", lambda player: speed())
    return run


def told(capsys, *words):
    """`(status, lines by name)` of the command."""
    status, out, err = ended(capsys, doctor.main, Config, "wyh doctor", *words)
    assert err == ""
    lines = out.splitlines()
    return status, {line.split()[1]: line for line in lines[:-1]}, lines[-1]


def test_fit(fit, capsys):
    status, lines, last = told(capsys)
    assert (status, last) == (0, "fit to play")
    assert all(line.startswith("ok  ") for line in lines.values())
    assert " ".join(lines) == (
        "python packages ffmpeg camera sound audio window web osc midi disk jax cache run speed"
    )
    version = ".".join(map(str, sys.version_info[:3]))
    assert lines["python"].startswith(f"ok  python    {version}, wyh ")
    assert f"jax {jax.__version__}" in lines["packages"]
    assert lines["camera"] == "ok  camera    camera 0 (Webcam)"
    assert lines["sound"] == (
        "ok  sound     Speakers by sounddevice, which keeps 42.5 ms; 2 speakers, 1 microphones"
    )
    assert Stream.closed
    assert lines["midi"] == "ok  midi      nanoKONTROL2"
    assert lines["jax"].startswith(f"ok  jax       {jax.__version__} on cpu (")
    assert lines["run"] == "ok  run       runs/one, autoencoder (tiny)"
    assert lines["speed"] == (
        "ok  speed     observe 2 / 3 / 4 of 40 ms, emit 2 / 3 / 4 of 10 ms (p50 / p95 / p99); "
        "compiled in 0.25 s"
    )


def test_json_is_one_object(fit, capsys):
    status, out, _ = ended(capsys, doctor.main, Config, "wyh doctor", "--json")
    found = json.loads(out)
    assert status == 0 and found["fit"] is True
    checks = {each["name"]: each for each in found["checks"]}
    assert all(each.keys() == Finding.__dataclass_fields__.keys() for each in found["checks"])
    assert checks["speed"]["values"]["stages_ms"]["emit"]["p95"] == 3.0
    assert checks["speed"]["values"]["load"]["p50"] == 0.25
    assert checks["sound"]["values"]["latency_ms"] == 42.5
    assert checks["packages"]["values"]["versions"]["jax"] == jax.__version__
    assert checks["run"]["values"] == {"run": "runs/one"}


def test_a_run_of_ones_own(fit, capsys):
    make_run(Path("other"))
    assert told(capsys, "--run", "other")[1]["run"] == "ok  run       other, autoencoder (tiny)"


def test_a_run_that_learned_from_video_is_measured(tmp_path):
    run = make_foley_run(tmp_path / "run")
    one, other = doctor.run_and_speed(run.directory)
    assert (one.ok, one.told) == (True, f"{run.directory}, dbn (tiny)")
    assert other.name == "speed" and "observe" in other.told and "emit" in other.told


@pytest.mark.parametrize(
    ("what", "name", "line"),
    [
        (
            (cameras, "list_cameras", list),
            "camera",
            "none found: connect one, or play a film, an address, the screen or the page of "
            "--sink web",
        ),
        (
            (sound_devices, "usable", tuple),
            "sound",
            "no sound library: pip install 'wyh[audio]'",
        ),
        (
            (sound_devices, "list_devices", list),
            "sound",
            "no speaker: connect one or start the sound server, or play into a file or --sink web",
        ),
        ((sound_portaudio, "library", lambda: None), "audio", "no sounddevice, which tells of"),
    ],
)
def test_what_may_be_missing(fit, capsys, monkeypatch, what, name, line):
    monkeypatch.setattr(*what)
    status, lines, last = told(capsys)
    assert (status, last) == (0, "fit to play")
    assert lines[name].startswith(f"!!  {name:<8}  {line}")
    assert sum(each.startswith("!!") for each in lines.values()) == 1


def raising(error):
    def function(*arguments, **named):
        raise error

    return function


def test_a_speaker_that_does_not_open(fit, capsys, monkeypatch):
    monkeypatch.setattr(sound_devices, "open_stream", raising(NoSound("sounddevice: busy")))
    status, lines, _ = told(capsys)
    assert status == 0
    assert lines["sound"].startswith("!!  sound     no speaker opens (sounddevice: busy): connect")


def test_a_camera_that_is_forbidden(fit, capsys, monkeypatch):
    from wyh.errors import WyhError

    monkeypatch.setattr(cameras, "_check_allowed", raising(WyhError("camera 0 is forbidden: ask")))
    status, lines, _ = told(capsys)
    assert (status, lines["camera"]) == (0, "!!  camera    camera 0 is forbidden: ask")


def test_extras_that_are_not_installed(fit, capsys, monkeypatch):
    monkeypatch.setattr(outside, "find_spec", lambda module: None)
    status, lines, _ = told(capsys)
    assert status == 0
    assert lines["window"] == (
        "!!  window    no pygame, which --sink screen needs: pip install 'wyh[window]'"
    )
    assert lines["web"].startswith("!!  web       no websockets and no segno and no cryptography,")
    assert lines["osc"].endswith("no pythonosc, which --osc needs: pip install 'wyh[osc]'")
    assert lines["midi"].endswith("no rtmidi, which --midi needs: pip install 'wyh[midi]'")


def test_no_controller(fit, capsys, monkeypatch):
    monkeypatch.setattr("wyh.media.midi.input_names", list)
    assert told(capsys)[1]["midi"] == "ok  midi      no controller is plugged in"


def test_no_room(fit, capsys, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 1 << 20}))
    status, lines, _ = told(capsys)
    assert status == 0
    assert lines["disk"].startswith("!!  disk      0.0 GB free in ")
    assert lines["disk"].endswith(": make some room for runs and recordings")


def test_a_cache_that_cannot_be_written(fit, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").touch()
    before = jax.config.jax_compilation_cache_dir
    monkeypatch.setenv("WYH_CACHE", str(tmp_path / "file"))
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    try:
        status, lines, _ = told(capsys)
    finally:
        jax.config.update("jax_compilation_cache_dir", before)
    assert status == 0
    assert lines["cache"] == (
        f"!!  cache     {tmp_path}/file/xla cannot be written (Not a directory), so each start "
        f"compiles again: name another directory in WYH_CACHE"
    )


def test_packages_missing_or_old(fit, capsys, monkeypatch):
    wanted = ["jax>=99.1", "no-such-package>=1", 'mido>=99; extra == "midi"', "numpy"]
    monkeypatch.setattr("importlib.metadata.requires", lambda name: wanted)
    status, lines, _ = told(capsys)
    assert status == 0
    assert lines["packages"] == (
        f"!!  packages  jax is {jax.__version__}, wanted 99.1, no-such-package is missing: "
        f"pip install --upgrade wyh"
    )


@pytest.mark.parametrize(
    ("version", "numbers"), [("0.10.2", (0, 10, 2)), ("2.0rc1", (2, 0)), ("", ()), ("x", ())]
)
def test_versions_are_compared_as_numbers(version, numbers):
    assert doctor._numbers(version) == numbers


def test_an_old_python(fit, capsys, monkeypatch):
    monkeypatch.setattr(doctor, "_PYTHON", (4, 0))
    status, lines, last = told(capsys)
    assert (status, last) == (1, "not fit to play: mend python first")
    assert lines["python"].endswith(": install Python 4.0 or newer")


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (raising(OSError(8, "Exec format error")), "does not run (Exec format error)"),
        (lambda words: (1, "", ""), "does not run (status 1)"),
    ],
)
def test_a_broken_ffmpeg(fit, capsys, monkeypatch, output, reason):
    monkeypatch.setattr("wyh.media.ffmpeg.output_of", output)
    status, lines, last = told(capsys)
    assert (status, last) == (1, "not fit to play: mend ffmpeg first")
    wanted = f"{reason}: pip install --force-reinstall imageio-ffmpeg"
    assert lines["ffmpeg"].startswith("!!") and lines["ffmpeg"].endswith(wanted)


def test_no_run(fit, capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path / "runs")
    monkeypatch.setattr("wyh.run_choice.BUNDLED", {})
    status, lines, last = told(capsys)
    assert (status, last) == (1, "not fit to play: mend run first")
    assert "got no --run, and there is none under runs/: train one with" in lines["run"]


def test_a_damaged_run(fit, capsys):
    (fit.directory / "variables.safetensors").write_bytes(b"torn")
    status, lines, last = told(capsys, "--run", "runs/one")
    assert (status, last) == (1, "not fit to play: mend run first")
    assert lines["run"].startswith("!!  run       runs/one/variables.safetensors")


def test_a_jax_that_does_not_start(fit, capsys, monkeypatch):
    monkeypatch.setattr(jax, "devices", raising(RuntimeError("no backend 'cuda'")))
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")
    status, lines, last = told(capsys)
    assert (status, last) == (1, "not fit to play: mend jax first")
    assert lines["jax"] == (
        '!!  jax       it does not start with JAX_PLATFORMS=cuda (RuntimeError("no backend '
        "'cuda'\")): unset JAX_PLATFORMS"
    )
    assert list(lines)[-1] == "jax"


def test_peaks_are_no_reason_not_to_play_but_too_slow_is(fit, capsys, monkeypatch):
    monkeypatch.setattr(check, "measure", lambda player: speed(3.0))
    status, lines, _ = told(capsys)
    assert status == 0 and lines["speed"].startswith("!!  speed     observe 6 / 9 / 12 of 40 ms, ")
    assert lines["speed"].endswith("smaller preset or a lower --frame-rate")
    monkeypatch.setattr(check, "measure", lambda player: speed(4.0)._replace(first_compile_secs=3))
    status, lines, last = told(capsys)
    assert (status, last) == (1, "not fit to play: mend speed first")
    assert "compiled in 0.25 s, the first time in 3.0 s: close other programs" in lines["speed"]


def test_whatever_is_broken_is_told_in_a_line(fit, capsys, monkeypatch):
    monkeypatch.setattr(cameras, "list_cameras", raising(KeyError("odd\nthing")))
    status, lines, _ = told(capsys)
    assert status == 0
    assert lines["camera"] == r"!!  camera    KeyError: 'odd\nthing': pip install --upgrade wyh"


def test_as_a_program(tmp_path):
    """The real thing, on whatever machine this is: it ends well and imports nothing heavy."""
    make_run(tmp_path / "run")
    code = (
        "import sys, runpy\n"
        "sys.argv = ['wyh doctor', '--run', 'run', '--json']\n"
        "try:\n"
        "    runpy.run_module('wyh.doctor', run_name='__main__', alter_sys=True)\n"
        "finally:\n"
        f"    print([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stderr == "[]\n"
    found = json.loads(done.stdout)
    assert done.returncode == (0 if found["fit"] else 1)
    checks = {each["name"]: each for each in found["checks"]}
    assert all(checks[name]["ok"] for name in ("python", "packages", "ffmpeg", "jax", "run"))
    assert checks["speed"]["values"]["limits_ms"]["observe"] == 100.0
