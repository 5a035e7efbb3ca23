"""The run directory: what training leaves and playing reads. Imports neither JAX nor Orbax.

A run holds no code and no pickles, so it is safe to share. `config.json` says what it is;
`variables.safetensors` and `variables_latest.safetensors` are read in milliseconds. Files are
replaced whole (temporary name, fsync, rename): a reader sees the old one or the new one.
"""

import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from wyh.arrays import encode_tree, read_tree
from wyh.errors import WyhError
from wyh.plain import to_plain
from wyh.specs import StreamSpec

FORMAT_VERSION = 1
VARIABLES = {"best": "variables", "latest": "variables_latest"}  # --checkpoint's files
_TRAIN_ONE = "train one with: python -m experiments.autoencoder"
_PACKAGES = ("wyh", "jax", "jaxlib", "flax", "optax", "orbax-checkpoint", "numpy", "safetensors")


@dataclass(frozen=True)
class BestMetric:
    """The validation metric that names the best variables."""

    name: str
    better: Literal["lower", "higher"]

    def __post_init__(self) -> None:
        if self.better not in ("lower", "higher"):
            raise WyhError(f"got better {self.better!r}, wanted lower or higher")

    def improves(self, value: float, best: float | None) -> bool:
        """Whether `value` beats `best`; a nan never does."""
        if best is None:
            return math.isfinite(value)
        return value < best if self.better == "lower" else value > best


@dataclass(frozen=True)
class Run:
    """A run directory and what its `config.json` says.

    Attributes:
      directory: where it is.
      kind: the kind of model, turned into a transducer by one `match`.
      preset: the preset it was trained with.
      config: the experiment's full config as plain JSON values (`wyh.plain.from_plain` reads it).
      stream: rates, shapes and block; None where the model cannot be played by itself.
      data: fingerprint and description of the training data.
      best_metric: what `variables.safetensors` is the best of.
      versions: package versions at the time of training.
      created: ISO 8601, UTC.
    """

    directory: Path
    kind: str
    preset: str
    config: dict[str, Any]
    stream: StreamSpec | None
    data: dict[str, Any]
    best_metric: BestMetric
    versions: dict[str, str]
    created: str


def create_run(
    path: Path,
    *,
    kind: str,
    preset: str,
    config: object,
    stream: StreamSpec | None,
    data: Mapping[str, Any],
    best_metric: BestMetric,
    resume: bool = False,
) -> Run:
    """Make a run directory, with its parents.

    Args:
      path: a new or empty directory; with `resume` also one that holds a run of this kind, which
        is then returned as it stands.
      kind: the kind of model.
      preset: name of the preset.
      config: the experiment's config dataclass (or plain values).
      stream: rates, shapes and block of the transducer.
      data: fingerprint and description of the training data.
      best_metric: what names the best variables.
      resume: continue a run that is there, else begin one.

    Raises:
      WyhError: the directory holds something else, or cannot be written.
    """
    try:
        occupied = path.exists() and (not path.is_dir() or any(path.iterdir()))
    except OSError as error:
        raise cannot_write(path, error) from None
    if occupied and not (path / "config.json").exists():
        raise WyhError(f"{path} is no run and not empty: choose another --out")
    if occupied:
        run = load_run(path)
        if not resume:
            raise WyhError(f"{path} holds a run: add --resume to go on, or choose another --out")
        if run.kind != kind:
            raise WyhError(f"{path} holds a run of kind {run.kind}, not {kind}: change --out")
        return run
    run = Run(
        directory=path,
        kind=kind,
        preset=preset,
        config=to_plain(config),
        stream=stream,
        data=to_plain(data),
        best_metric=best_metric,
        versions=_versions(),
        created=datetime.now(UTC).isoformat(),
    )
    about = {"format_version": FORMAT_VERSION} | {
        name: getattr(run, name) for name in Run.__dataclass_fields__ if name != "directory"
    }
    about |= {"stream": stream and stream.to_json(), "best_metric": asdict(best_metric)}
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(path, error) from None
    text = json.dumps(about, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    replace_file(path / "config.json", text.encode())
    return run


def load_run(path: Path) -> Run:
    """Read `config.json` of a run directory.

    Raises:
      WyhError: no run, damaged, or of an unknown format version; names the file.
    """
    file = path / "config.json"
    try:
        about = json.loads(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        raise WyhError(f"{path} is no run (it has no config.json): {_TRAIN_ONE}") from None
    except (OSError, ValueError) as error:
        raise WyhError(f"{file} cannot be read: {error}") from None
    if not isinstance(about, dict) or "format_version" not in about:
        raise WyhError(f"{file} is not the config.json of a run: {_TRAIN_ONE}")
    if about["format_version"] != FORMAT_VERSION:
        raise WyhError(
            f"{file} has format version {about['format_version']!r}, wanted {FORMAT_VERSION}: "
            "update wyh"
        )
    try:
        return Run(
            directory=path,
            kind=_typed(about, "kind", str),
            preset=_typed(about, "preset", str),
            config=_typed(about, "config", dict),
            stream=about["stream"] and StreamSpec.from_json(_typed(about, "stream", dict)),
            data=_typed(about, "data", dict),
            best_metric=BestMetric(**_typed(about, "best_metric", dict)),
            versions=_typed(about, "versions", dict),
            created=datetime.fromisoformat(_typed(about, "created", str)).isoformat(),
        )
    except KeyError as error:
        raise WyhError(f"{file} is damaged: it lacks {error}") from None
    except (TypeError, ValueError, WyhError) as error:
        raise WyhError(f"{file} is damaged: {error}") from None


def save_variables(
    run: Run,
    variables: Mapping[str, Any],
    name: Literal["variables", "variables_latest"] = "variables",
) -> None:
    """Replace `NAME.safetensors` atomically.

    Args:
      run: the run to write into.
      variables: nested dict of arrays; half precision is stored as float32.
      name: which of the two files.

    Raises:
      WyhError: it cannot be written; the old file stands.
    """
    replace_file(run.directory / f"{name}.safetensors", encode_tree(variables))


def load_variables(run: Run, checkpoint: str = "best") -> dict[str, Any]:
    """Nested dict of NumPy arrays from `variables.safetensors` (best) or the latest.

    Raises:
      WyhError: unknown name, or a missing or damaged file; names the file.
    """
    if checkpoint not in VARIABLES:
        raise WyhError(f"got checkpoint {checkpoint!r}, wanted best, latest or a step number")
    path = run.directory / f"{VARIABLES[checkpoint]}.safetensors"
    try:
        return read_tree(path)
    except FileNotFoundError:
        raise WyhError(
            f"{path} is missing: let the run train for a little longer, or, if it is made of other "
            f"runs, leave out --checkpoint"
        ) from None


def cannot_write(path: Path, error: OSError) -> WyhError:
    """What to tell when the disk is full or closed to us."""
    reason = error.strerror or error
    return WyhError(f"cannot write {path}: {reason}; free some space or choose another --out")


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that it is either the old one or the new one, whole.

    Raises:
      WyhError: the disk is full or cannot be written.
    """
    temporary = path.with_name(f".{path.name}.tmp")  # one name: a killed writer leaves only one
    try:
        try:
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise cannot_write(path, error) from None


def _typed(about: dict[str, Any], name: str, wanted: type) -> Any:
    if not isinstance(about[name], wanted):
        raise TypeError(f"{name} is {about[name]!r}")
    return about[name]


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version  # 20 ms, and reading needs none

    found = {}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
