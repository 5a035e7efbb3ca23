"""Checkpoints for resuming: the whole training state, by Orbax. Off the playing path.

A checkpoint is written beside the training and becomes visible only when whole; the two newest are
kept. It holds the state, the playable variables (for `--checkpoint STEP`) and a little JSON.
"""

import logging
import shutil
from types import TracebackType
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from etils import epath  # type: ignore[import-untyped]

from wyh.errors import WyhError
from wyh.runs import Run, cannot_write

KEPT = 2
"""Checkpoints kept: should the newest be damaged, there is one before it."""


class Checkpoints:
    """The `checkpoints/` of a run; use as a context, which waits for the last write."""

    def __init__(self, run: Run) -> None:
        self._directory = run.directory / "checkpoints"
        options = ocp.CheckpointManagerOptions(
            preservation_policy=ocp.checkpoint_managers.LatestN(KEPT),
            cleanup_tmp_directories=True,  # what a killed run left half-written
        )
        try:
            self._manager = ocp.CheckpointManager(self._directory.absolute(), options=options)
        except OSError as error:
            raise cannot_write(self._directory, error) from None

    def __enter__(self) -> "Checkpoints":
        # What goes wrong is raised as one line; absl would print its tracebacks beside it.
        self._logger = logging.getLogger("absl")
        self._level = self._logger.level
        self._logger.setLevel(logging.CRITICAL)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self._manager.close()
        except Exception as failure:
            if error is None:  # else the first failure is the one to report
                raise self._cannot_write(failure) from None
        finally:
            self._logger.setLevel(self._level)

    def save(self, step: int, state: Any, variables: Any, progress: dict[str, Any]) -> None:
        """Begin to write a checkpoint; the arrays may be donated as soon as this returns.

        Raises:
          WyhError: this one, or the one before it, cannot be written.
        """
        if step in self._manager.all_steps():
            return
        size = sum(leaf.nbytes for leaf in jax.tree.leaves((state, variables)))
        free = shutil.disk_usage(self._directory).free
        if size > free:  # Orbax would notice too, in a hundred lines
            raise self._cannot_write(OSError(f"it takes {size:,} bytes, {free:,} are free"))
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(_not_empty(state, state)),
            variables=ocp.args.StandardSave(variables),
            about=ocp.args.JsonSave({"layout": _layout(state), "progress": progress}),
        )
        try:
            self._manager.save(step, args=items)
        except Exception as error:
            raise self._cannot_write(error) from None

    def wait(self) -> int | None:
        """Wait for the write in progress; the step of the newest whole checkpoint.

        Raises:
          WyhError: it could not be written.
        """
        try:
            self._manager.wait_until_finished()
        except Exception as error:
            raise self._cannot_write(error) from None
        return self._manager.latest_step()

    def restore(self, like: Any) -> tuple[Any, dict[str, Any]] | None:
        """The newest state that can be read, placed as `like` is, and its progress.

        Works on another number of devices than it was saved on. None without any checkpoint.

        Raises:
          WyhError: none can be read into this state.
        """
        placed = jax.tree.map(ocp.utils.to_shape_dtype_struct, like)  # keeps the placement
        target = _not_empty(like, placed)
        steps = sorted(self._manager.all_steps(), reverse=True)
        reason = ""
        for tried, step in enumerate(steps):
            try:
                about = self._manager.restore(
                    step, args=ocp.args.Composite(about=ocp.args.JsonRestore())
                ).about
                self._check_layout(about["layout"], _layout(like))
                found = self._manager.restore(
                    step, args=ocp.args.Composite(state=ocp.args.StandardRestore(target))
                )
            except WyhError:
                raise
            except Exception as error:  # Orbax and TensorStore raise many kinds
                reason = reason or _first_line(error)
                continue
            for damaged in steps[:tried]:
                self._manager.delete(damaged)  # it will be made again
            state = jax.tree.map(lambda ours, got: got if ours.size else ours, like, found.state)
            return state, about["progress"]
        if steps:
            raise WyhError(
                f"no checkpoint in {self._directory} is whole ({reason}): start anew with "
                "another --out"
            )
        return None

    def _check_layout(self, saved: dict[str, str], wanted: dict[str, str]) -> None:
        for name in sorted(saved.keys() | wanted.keys()):
            ours, theirs = wanted.get(name, "nothing"), saved.get(name, "nothing")
            if ours != theirs:
                raise WyhError(
                    f"{self._directory} is of another model ({name} is {theirs}, wanted {ours}): "
                    "resume with the settings of the run, or choose another --out"
                )

    def _cannot_write(self, error: Exception) -> WyhError:
        return WyhError(
            f"cannot write {self._directory}: {_first_line(error)}; free some space, then --resume"
        )


def load_checkpoint_variables(run: Run, step: int) -> dict[str, Any]:
    """The playable variables of one checkpoint, as nested dicts of NumPy arrays.

    Raises:
      WyhError: there is no such step, or it is damaged.
    """
    directory = run.directory / "checkpoints"
    steps = sorted(ocp.utils.checkpoint_steps(directory)) if directory.is_dir() else []
    if step not in steps:
        there = ", ".join(map(str, steps)) or "none"
        raise WyhError(f"got checkpoint {step} of {run.directory}, there are: {there}")
    path = epath.Path(directory.absolute() / str(step) / "variables")
    handler = ocp.PyTreeCheckpointHandler()
    try:
        as_numpy = jax.tree.map(
            lambda _: ocp.RestoreArgs(restore_type=np.ndarray), handler.metadata(path).tree
        )
        wanted = ocp.args.PyTreeRestore(restore_args=as_numpy)
        variables: dict[str, Any] = handler.restore(path, args=wanted)
        return variables
    except Exception as error:  # Orbax and TensorStore raise many kinds
        raise WyhError(f"{path} is damaged: {_first_line(error)}") from None
    finally:
        handler.close()


def _layout(state: Any) -> dict[str, str]:
    """Name, type and shape of every array: what a checkpoint must share with a model."""
    return {
        jax.tree_util.keystr(path): f"{leaf.dtype}{list(leaf.shape)}"
        for path, leaf in jax.tree_util.tree_leaves_with_path(state)
    }


def _not_empty(state: Any, values: Any) -> Any:
    """Values in the place of the arrays of a state; None for those without elements.

    Orbax refuses to save these, and there is nothing to save.
    """
    return jax.tree.map(lambda leaf, value: value if leaf.size else None, state, values)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
