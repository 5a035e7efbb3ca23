"""`wyh COMMAND` is `python -m wyh.COMMAND`."""

import runpy
import sys

from wyh import __version__
from wyh.cli import statuses
from wyh.errors import WyhError

COMMANDS = {
    "render": "turn video files into sound, or into video with that sound",
    "live": "play a model now: from a file, a URL or standard input",
    "listen": "turn the sound of a run back into pictures",
    "report": "measure what the sound of a run keeps, on a page to look at",
    "capture": "collect footage, or labelled sounds, from a camera or a microphone",
    "pack": "copy what playing needs of a run, at half the size",
    "info": "show the trained runs, or one of them",
    "doctor": "tell whether this installation is fit to play, and how to mend it",
}

ELSEWHERE = """\
train and prepare:
  python -m experiments.autoencoder   train on your own footage: a sound of its own
  python -m experiments.dbn           ... on footage with sound: the sound that belongs to it
  python -m experiments.synesthesia   ... on your own music: pictures of it
  python -m data_prep.video           footage -> shards
  python -m data_prep.images          photos -> shards"""


def main() -> None:
    """Run one command, or list them."""
    with statuses("wyh"):
        _run()


def _run() -> None:
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        print("usage: wyh COMMAND [OPTIONS]\n\ncommands (wyh COMMAND --help for each):")
        print("\n".join(f"  {name:<8} {what}" for name, what in COMMANDS.items()))
        print(f"\n{ELSEWHERE}")
    elif name == "--version":
        print(f"wyh {__version__}")
    elif name in COMMANDS:
        sys.argv = [f"wyh {name}", *sys.argv[2:]]
        runpy.run_module(f"wyh.{name}", run_name="__main__", alter_sys=True)
    else:
        raise WyhError(f"got {name!r}, wanted one of {', '.join(COMMANDS)}")


if __name__ == "__main__":
    main()
