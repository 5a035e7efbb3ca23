"""What runs there are, and what is in one.

python -m wyh.info
python -m wyh.info --run runs/autoencoder-20260101-120000
"""

import json
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from wyh.cli import run as run_command
from wyh.run_choice import RUNS, all_runs
from wyh.runs import Run, load_run


@dataclass(frozen=True)
class Config:
    """Show the runs under runs/, or all about one of them."""

    run: Path | None = None  # the run to show; a list of all unless given
    json: bool = False  # print JSON


def main(config: Config) -> None:
    """Print the list or the run."""
    if config.run is not None:
        run = load_run(config.run)
        print(json.dumps(describe(run), indent=2) if config.json else page(run))
        return
    runs = sorted(all_runs(), key=lambda run: run.created, reverse=True)
    if config.json:
        print(json.dumps([describe(run) for run in runs], indent=2))
    elif not runs:
        print(f"no runs under {RUNS}/: train one with python -m experiments.autoencoder")
    else:
        print("\n".join(line(run) for run in runs))


def last_figures(run: Run) -> dict[str, float]:
    """The newest value of every figure in `metrics.jsonl`.

    A line that is cut off is passed over: training may be writing it.
    """
    figures: dict[str, float] = {}
    journal = run.directory / "metrics.jsonl"
    if journal.exists():
        for text in journal.read_text(errors="replace").splitlines():
            with suppress(ValueError, AttributeError):
                told = json.loads(text)
                figures |= {name: value for name, value in told.items() if value is not None}
    return figures


def describe(run: Run) -> dict[str, object]:
    """All about a run, as plain values."""
    return {
        "run": str(run.directory),
        "kind": run.kind,
        "preset": run.preset,
        "created": run.created,
        "stream": run.stream and run.stream.to_json(),
        "data": run.data,
        "figures": last_figures(run),
        "versions": run.versions,
        "config": run.config,
    }


def line(run: Run) -> str:
    """A run in one line."""
    figures = last_figures(run)
    best = run.best_metric.name
    shown = f"{best} {figures[best]:.3g}" if best in figures else "not evaluated yet"
    step = f"step {figures.get('step', 0):.0f}"
    return f"{run.directory}  {run.kind} ({run.preset})  {run.created[:16]}  {step}  {shown}"


def page(run: Run) -> str:
    """A run on one screen."""
    lines = [line(run)]
    if run.stream is not None:
        s = run.stream
        v = s.video
        sees, hears = "sees", "plays"
        if s.direction == "hear-see":
            sees, hears = "shows", "hears"
        lines += [
            f"  {sees} {v.width}x{v.height} pictures, {float(v.frame_rate):g} a second ({v.fit})",
            f"  {hears} sound of {s.audio.sample_rate} Hz in blocks of {s.block} samples",
            f"  latency {1000 * s.latency_secs:.1f} ms",
        ]
    lines += [f"  {name} {value:.5g}" for name, value in last_figures(run).items()]
    recordings = run.data.get("recordings", [])
    if recordings:
        more = f" and {len(recordings) - 3} more" if len(recordings) > 3 else ""
        lines.append(f"  trained on {', '.join(recordings[:3])}{more}")
    lines += [f"  {name} {version}" for name, version in run.versions.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    run_command(main, Config, "wyh info")
