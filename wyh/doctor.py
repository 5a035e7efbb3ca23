"""Is this installation fit to play, and what mends it?

python -m wyh.doctor
python -m wyh.doctor --run runs/autoencoder-20260101-120000 --json

A line for each thing that is looked at: `ok`, or `!!` and how to mend it. Exits with 0 when
`wyh live` would run, with 1 when it would not. A camera, a sound card and the extras may be
missing: films and files can be played without.
"""

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path

from wyh import __version__
from wyh.cli import run as run_command
from wyh.errors import WyhError
from wyh.live.outside import Finding, cameras, extras, ffmpeg, sound
from wyh.run_choice import choose_run

_PYTHON = (3, 11)
_LEAST_BYTES = 1 << 30  # of disk: a minute of recorded film takes a few megabytes, a run a hundred


@dataclass(frozen=True)
class Config:
    """Look at all that playing live needs; a line each, and how to mend what is missing."""

    run: Path | None = None  # the run to time; the newest under runs/ unless given
    json: bool = False  # print one JSON object


def main(config: Config) -> None:
    """Look, tell, and exit with 1 where nothing could be played."""
    found = []
    for finding in examine(config.run):
        found.append(finding)
        if not config.json:
            print(finding, flush=True)  # as they come: the last ones take the longest
    missing = [finding.name for finding in found if finding.needed and not finding.ok]
    if config.json:
        checks = [asdict(finding) for finding in found]
        print(json.dumps({"fit": not missing, "checks": checks}, indent=2))
    elif missing:
        print(f"not fit to play: mend {' and '.join(missing)} first")
    else:
        print("fit to play")
    if missing:
        sys.exit(1)


def examine(run: Path | None) -> Iterator[Finding]:
    """Look at one thing after the other; whatever one of them raises is a finding."""
    looks: dict[str, Callable[[], Finding | list[Finding]]] = {
        "python": python,
        "packages": packages,
        "ffmpeg": ffmpeg,
        "camera": cameras,
        "sound": sound,
        "extras": extras,
        "disk": disk,
        "jax": jax_devices,
        "cache": cache,
        "run": lambda: run_and_speed(run),
    }
    needed = ("python", "ffmpeg", "jax", "run")
    for name, look in looks.items():
        try:
            found = look()
        except WyhError as error:
            found = Finding(name, False, str(error), needed=name in needed)
        except Exception as error:  # what is broken has to be told, however it is broken
            told = f"{type(error).__name__}: {error}"
            found = Finding(name, False, told[:300], "pip install --upgrade wyh", name in needed)
        yield from found if isinstance(found, list) else [found]
        if name == "jax" and isinstance(found, Finding) and not found.ok:
            return  # all that follows would tell of it again


def python() -> Finding:
    """The version of Python."""
    version = ".".join(map(str, sys.version_info[:3]))
    told, ok = f"{version}, wyh {__version__}", sys.version_info[:2] >= _PYTHON
    mend = "" if ok else f"install Python {'.'.join(map(str, _PYTHON))} or newer"
    return Finding("python", ok, told, mend, needed=True, values={"version": version})


def packages() -> Finding:
    """Whether all that the package asks for is there, and new enough."""
    versions, wrong = {}, []
    for text in metadata.requires("wyh") or []:
        match = re.match(r"([\w.-]+)[^;\d]*([\d.]*)", text)
        if match is None or "extra ==" in text:
            continue
        name, least = match.groups()
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if _numbers(versions[name]) < _numbers(least):
            wrong.append(f"{name} is {versions[name]}, wanted {least}")
    shown = [f"{name} {versions[name]}" for name in ("jax", "flax", "numpy") if name in versions]
    if wrong:
        return Finding("packages", False, ", ".join(wrong), "pip install --upgrade wyh")
    return Finding("packages", True, ", ".join(shown), values={"versions": versions})


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"\d+(\.\d+)*", version)
    return tuple(map(int, match[0].split("."))) if match else ()


def disk() -> Finding:
    """Whether there is room for runs and recordings."""
    free = shutil.disk_usage(Path.cwd()).free
    mend = "" if free >= _LEAST_BYTES else "make some room for runs and recordings"
    told = f"{free / (1 << 30):.1f} GB free in {Path.cwd()}"
    return Finding("disk", not mend, told, mend, values={"free_bytes": free})


def jax_devices() -> Finding:
    """What JAX computes on."""
    try:
        import jax

        devices = [_words(device.platform, device.device_kind) for device in jax.devices()]
    except Exception as error:  # of many kinds, by what is not there
        given = os.environ.get("JAX_PLATFORMS")
        mend = "unset JAX_PLATFORMS" if given else "pip install --upgrade jax jaxlib"
        told = f"it does not start{f' with JAX_PLATFORMS={given}' if given else ''} ({error!r})"
        return Finding("jax", False, told, mend, needed=True)
    told = f"{jax.__version__} on {', '.join(dict.fromkeys(devices))} ({os.cpu_count()} cores)"
    return Finding("jax", True, told, needed=True, values={"devices": devices})


def _words(*words: str) -> str:
    return " ".join(dict.fromkeys(words))


def cache() -> Finding:
    """Whether compiled functions can be kept for the next start."""
    import jax

    from wyh.transducers.compile import use_compilation_cache

    use_compilation_cache()
    folder = Path(jax.config.jax_compilation_cache_dir or "")  # type: ignore[attr-defined]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        told = f"{folder} cannot be written ({error.strerror}), so each start compiles again"
        return Finding("cache", False, told, "name another directory in WYH_CACHE")
    return Finding("cache", True, str(folder))


def run_and_speed(path: Path | None) -> list[Finding]:
    """Whether there is a run, and how quickly it plays."""
    from wyh.live.check import measure
    from wyh.transducers.kinds import load_player

    run, _ = choose_run(path)
    player = load_player(run)
    told = f"{run.directory}, {run.kind} ({run.preset})"
    found = [Finding("run", True, told, needed=True, values={"run": str(run.directory)})]
    speed = measure(player)
    first = speed.first_compile_secs
    compiled = f"compiled in {speed.compile_secs:.2f} s" + (
        f", the first time in {first:.1f} s" if first is not None else ""
    )
    stages = [
        f"{name} {' / '.join(f'{ms:.3g}' for ms in stage.values())} of {limit:.3g} ms"
        for (name, stage), limit in zip(
            speed.stages_ms.items(), speed.limits_ms.values(), strict=True
        )
    ]
    told = f"{', '.join(stages)} (p50 / p95 / p99); {compiled}"
    ok, mend = speed.load(95) < 1, ""
    if not ok:
        mend = "close other programs; else train with a smaller preset or a lower --frame-rate"
    # Peaks are bridged by the buffer, and by pictures left out: half of the time it must keep up.
    needed = ok or speed.load(50) >= 1
    return [*found, Finding("speed", ok, told, mend, needed, speed.to_json())]


if __name__ == "__main__":
    run_command(main, Config, "wyh doctor")
