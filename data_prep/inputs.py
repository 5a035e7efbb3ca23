"""What the commands of this package share: which files they were given, and doing them all."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

from tqdm import tqdm

from wyh.errors import WyhError

TaskT = TypeVar("TaskT")
ResultT = TypeVar("ResultT")

_advance: Callable[[float], Any] | None = None
"""Where the tasks of this process tell of their progress."""


def parse_size(size: str) -> tuple[int, int]:
    """`(height, width)` from `64` (square) or `WIDTHxHEIGHT` such as `64x48`, as ffmpeg has it.

    Raises:
      WyhError: when it is neither.
    """
    numbers = size.lower().split("x")
    if not 1 <= len(numbers) <= 2 or not all(number.isdecimal() for number in numbers):
        raise WyhError(f"got the size {size!r}, wanted pixels as 64 or as WIDTHxHEIGHT, like 64x48")
    return int(numbers[-1]), int(numbers[0])


def name_files(files: Sequence[Path]) -> dict[str, Path]:
    """Files by name: their path below the folder that holds them all. No two names are equal."""
    if not files:
        return {}
    root = os.path.commonpath([file.parent for file in files])
    return {file.relative_to(root).as_posix(): file for file in sorted(files)}


def say(line: str) -> None:
    """A line on stderr, above a progress bar if there is one."""
    tqdm.write(line, file=sys.stderr)


def tell_unusable(bad: dict[str, str]) -> None:
    """List on stderr what could not be used, and why."""
    for name, reason in bad.items():
        say(f"left out: {_once(name, reason)}")


def all_unusable(bad: dict[str, str], wanted: str) -> WyhError:
    """The error for inputs of which none could be used."""
    if not bad:
        return WyhError(f"got no files, wanted {wanted}")
    name, reason = next(iter(bad.items()))
    if len(bad) == 1:
        return WyhError(_once(name, reason))
    return WyhError(f"none of the {len(bad)} files can be used; the first: {_once(name, reason)}")


def _once(name: str, reason: str) -> str:
    return reason if name in reason else f"{name}: {reason}"


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def advance(amount: float) -> None:
    """In a task: so much more has been done, in the unit of `run_tasks`."""
    if _advance is not None:
        _advance(amount)


def run_tasks(
    work: Callable[[TaskT], ResultT],
    tasks: Sequence[TaskT],
    workers: int,
    total: float,
    unit: str,
    describe: Callable[[ResultT], str],
) -> list[ResultT | WyhError]:
    """Do all tasks, in a pool of processes, with a progress bar on a terminal, else lines.

    Args:
      work: a function of a module. Tells of its progress with `advance`.
      tasks: its arguments, which can be pickled.
      workers: processes; with 1, or a single task, all is done in this one.
      total: what `advance` will come to in all.
      unit: of `total`.
      describe: a line about a result, where there is no terminal.

    Returns:
      In the order of the tasks. A `WyhError` stands for the task that raised it; any other
      exception (a full disk, Ctrl-C) ends them all.
    """
    global _advance
    results: dict[int, ResultT | WyhError] = {}
    bar = tqdm(
        total=round(total),  # tqdm shows ? where the truth turns out to be more
        disable=not sys.stderr.isatty(),
        bar_format=f"{{l_bar}}{{bar}}| {{n:.0f}}/{{total_fmt}} {unit} [{{elapsed}}<{{remaining}}]",
    )
    with bar:
        if workers > 1 and len(tasks) > 1:
            ended = _pooled(work, tasks, workers, bar)
        else:
            _advance = bar.update
            ended = ((number, _caught(work, task)) for number, task in enumerate(tasks))
        try:
            for number, result in ended:
                results[number] = result
                if bar.disable and not isinstance(result, WyhError):
                    say(describe(result))
        finally:
            _advance = None
    return [results[number] for number in range(len(tasks))]


def _caught(work: Callable[[TaskT], ResultT], task: TaskT) -> ResultT | WyhError:
    try:
        return work(task)
    except WyhError as error:
        return error


def _start_worker(done: Any) -> None:
    """Ready a process of the pool; `done` is how far all of them are."""
    global _advance
    # Ctrl-C reaches every process of the terminal: the first one ends the others.
    signal.signal(signal.SIGINT, signal.SIG_IGN)

    def add(amount: float) -> None:
        with done.get_lock():
            done.value += amount

    _advance = add


def _pooled(
    work: Callable[[TaskT], ResultT], tasks: Sequence[TaskT], workers: int, bar: Any
) -> Iterator[tuple[int, ResultT | WyhError]]:
    """`(number, result)` of each task as it ends."""
    context = multiprocessing.get_context("spawn")
    done = context.Value("d", 0.0)
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(
        min(workers, len(tasks)), mp_context=context, initializer=_start_worker, initargs=(done,)
    )
    try:
        numbers: dict[Future[ResultT | WyhError], int] = {
            pool.submit(_caught, work, task): number for number, task in enumerate(tasks)
        }
        waiting = set(numbers)
        while waiting:
            ended, waiting = wait(waiting, timeout=0.5, return_when=FIRST_COMPLETED)
            for future in ended:
                yield numbers[future], future.result()
            bar.update(done.value - bar.n)
        pool.shutdown()
    except BaseException as error:
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()
        if isinstance(error, BrokenProcessPool):
            raise WyhError(
                "a worker was killed, perhaps for want of memory; try again with fewer --workers"
            ) from None
        raise
