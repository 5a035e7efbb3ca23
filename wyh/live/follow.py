"""Plays a run while it is being trained: each newer checkpoint reaches the sound as it is saved."""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np

from wyh.errors import WyhError
from wyh.live.scenes import Scene
from wyh.runs import VARIABLES, Run, load_variables

EVERY_SECS = 0.25
FIRST_SECS = 300.0  # how long a training may take until it has something to play


class Follower:
    """Watches `variables_latest.safetensors` of a scene's run. A context manager."""

    def __init__(self, scene: Scene, note: Callable[[str], None]):
        """Begin to watch; `note` is told of what cannot be taken."""
        self._scene, self._note = scene, note
        self._run = scene.player.run
        self._shapes = _shapes(scene.player.variables)
        self._known: tuple[int, int] | None = None  # what was loaded may be old by now
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="follow", daemon=True)
        self.taken = 0

    def __enter__(self) -> "Follower":
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._stop.set()
        self._thread.join(2.0)

    def _watch(self) -> None:
        while not self._stop.wait(EVERY_SECS):
            stamp = _stamp(_file(self._run))
            if stamp is None or stamp == self._known:
                continue
            self._known = stamp
            try:
                variables = load_variables(self._run, "latest")
            except WyhError as error:
                self._note(f"{error}; playing on with what there was")
                continue
            if _shapes(variables) != self._shapes:
                self._note(f"{self._run.directory} has another model now: start wyh live anew")
                continue
            self._scene.swap(variables)
            self.taken += 1


def wait_for_training(directory: Path, note: Callable[[str], None]) -> None:
    """Wait until a training that has just begun has saved something to play in its run.

    Raises:
      WyhError: it has not, in five minutes; or it is a run that no training will change.
    """
    if not _is_trained(directory):
        raise WyhError(f"{directory} is not trained, but made of other runs: leave out --follow")
    until, told = time.monotonic() + FIRST_SECS, False
    for path in (directory / "config.json", directory / f"{VARIABLES['latest']}.safetensors"):
        while _stamp(path) is None:
            if not told:
                note(f"waiting for a training to save something to play in {directory}")
                told = True
            if time.monotonic() > until:
                raise WyhError(f"{path} did not come in {FIRST_SECS:g} s: is it being trained?")
            time.sleep(EVERY_SECS)


def _is_trained(directory: Path) -> bool:
    """Not where there are the best variables alone: a training saves the latest ones first."""
    best, latest = (directory / f"{VARIABLES[name]}.safetensors" for name in ("best", "latest"))
    return latest.exists() or not best.exists()


def _file(run: Run) -> Path:
    return run.directory / f"{VARIABLES['latest']}.safetensors"


def _stamp(path: Path) -> tuple[int, int] | None:
    """Changes when the file is replaced; None where there is none."""
    try:
        about = os.stat(path)
    except OSError:
        return None
    return about.st_mtime_ns, about.st_ino


def _shapes(variables: Any) -> Any:
    return jax.tree.map(lambda leaf: (np.shape(leaf), np.asarray(leaf).dtype.str), variables)
