"""Timing in turn, so that what else the machine does falls on all sides alike.

Jobs run in rounds, one after the other, in the opposite order every other round. A ratio is taken
within each round and the median over the rounds counts, with the range beside it.
"""

import contextlib
import functools
import json
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Literal, NamedTuple

from wyh.errors import WyhError

Job = Callable[[], object]
"""What is timed: it returns when all its work is done."""

Repeated = Callable[[int], object]
"""A job that is done so many times; it returns when all of them are done."""


class Row(NamedTuple):
    """One line of the results.

    Attributes:
      what: what was measured.
      value: a ratio is the peer's time over ours, so more than 1 is faster than the peer.
      unit: of the value; x means that it is a ratio.
      wanted: the value to reach, where one was set.
      better: which way the value should go.
      peer: whom it is compared with, where there is one.
      range: the least and the most of all rounds.
      own_ms: median time of ours in ms, beside a ratio.
      peer_ms: the same of the peer.
    """

    what: str
    value: float
    unit: str
    wanted: float | None = None
    better: Literal["higher", "lower"] = "higher"
    peer: str = ""
    range: tuple[float, float] | None = None
    own_ms: float | None = None
    peer_ms: float | None = None

    @property
    def reached(self) -> bool:
        """Whether the value is as good as wanted; true where nothing was."""
        if self.wanted is None:
            return True
        return self.value >= self.wanted if self.better == "higher" else self.value <= self.wanted


def interleave(
    jobs: Mapping[str, Job],
    rounds: int,
    *,
    warm_up: int = 1,
    alternate: bool = True,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
    """Time jobs in turn.

    Args:
      jobs: by name.
      rounds: each times every job once.
      warm_up: rounds before, which are not counted.
      alternate: turn the order round every other time; not where one job needs the one before.
      clock: seconds; `time.process_time` leaves out the time in which other programs ran.

    Returns:
      Seconds of each job, one a round.

    Raises:
      WyhError: no rounds.
    """
    if rounds < 1:
        raise WyhError(f"got {rounds} rounds, wanted at least 1")
    took: dict[str, list[float]] = {name: [] for name in jobs}
    for number in range(-warm_up, rounds):
        names = list(jobs)
        for name in reversed(names) if alternate and number % 2 else names:
            start = clock()
            jobs[name]()
            secs = clock() - start
            if number >= 0:
                took[name].append(secs)
    return took


def compared(
    what: str,
    own: Sequence[float],
    peer_secs: Sequence[float],
    peer: str,
    wanted: float | None = None,
) -> Row:
    """How many times as fast as a peer, pair by pair.

    Args:
      what: was measured.
      own: seconds of ours, one a round.
      peer_secs: of the peer, in the same rounds.
      peer: its name.
      wanted: the ratio to reach.
    """
    ratios = [theirs / ours for ours, theirs in zip(own, peer_secs, strict=True)]
    return Row(
        what,
        rounded(statistics.median(ratios)),
        "x",
        wanted,
        peer=peer,
        range=(rounded(min(ratios)), rounded(max(ratios))),
        own_ms=rounded(1000 * statistics.median(own)),
        peer_ms=rounded(1000 * statistics.median(peer_secs)),
    )


def per_second(
    what: str, count: int, secs: Sequence[float], unit: str, wanted: float | None = None
) -> Row:
    """How many of `count` things a second, the median of the rounds."""
    rates = [count / took for took in secs]
    return Row(
        what,
        rounded(statistics.median(rates)),
        unit,
        wanted,
        range=(rounded(min(rates)), rounded(max(rates))),
    )


def rounded(value: float) -> float:
    """To 4 significant digits."""
    return float(f"{value:.4g}")


def show(row: Row) -> None:
    """Print a row as one JSON object a line, which `python -m benchmarks` reads."""
    print(json.dumps(row._asdict()), flush=True)


def use_one_core() -> None:
    """Keep to one core from here on, where the system can; call it before JAX starts threads."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def cores() -> int:
    """How many cores this program may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def processes(makers: Mapping[str, Callable[[], Repeated]], times: int) -> Iterator[dict[str, Job]]:
    """Jobs that each live in a process of their own, so that idle threads of one disturb no other.

    Args:
      makers: by name; called in the new process to prepare the job (a partial of a function of a
        module, since it is sent there).
      times: how often a job is done each time it is called.

    Raises:
      WyhError: a process ended before its time; its own message is on stderr.
    """
    context = multiprocessing.get_context("spawn")
    with contextlib.ExitStack() as stack:
        jobs: dict[str, Job] = {}
        for name, make in makers.items():
            pipe, end = context.Pipe()
            process = context.Process(target=_serve, args=(end, make), daemon=True)
            process.start()
            end.close()
            stack.callback(process.join)
            stack.callback(pipe.close)
            _answer(pipe, name)
            jobs[name] = functools.partial(_ask, pipe, name, times)
        yield jobs


def _serve(pipe: Connection, make: Callable[[], Repeated]) -> None:
    """Do the job as often as asked for, until the other end closes."""
    job = make()
    pipe.send(None)
    with contextlib.suppress(EOFError):
        while True:
            job(pipe.recv())
            pipe.send(None)


def _ask(pipe: Connection, name: str, times: int) -> None:
    with contextlib.suppress(BrokenPipeError):  # the process is gone: the answer tells
        pipe.send(times)
    _answer(pipe, name)


def _answer(pipe: Connection, name: str) -> None:
    try:
        pipe.recv()
    except EOFError:
        raise WyhError(f"got no answer from {name}, wanted its time; it tells why above") from None
