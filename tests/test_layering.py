"""The house plan's rules of who imports whom, read from the source."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import wyh
from tests.conftest import make_run
from tests.dreamers import make_dream_run
from tests.visual import make_visual_run

ROOT = Path(wyh.__file__).parents[1]
PRODUCT = [
    path
    for package in ("wyh", "experiments", "data_prep")
    for path in (ROOT / package).rglob("*.py")
]
IDS = [path.relative_to(ROOT).as_posix() for path in PRODUCT]

SPECS = {"wyh", "wyh.errors", "wyh.specs", "wyh.knobs"}
# What each part may import of wyh, beside itself.
ALLOWED = {
    "wyh.errors": set(),
    "wyh.specs": {"wyh.errors"},
    "wyh.knobs": {"wyh.errors"},
    "wyh.plain": {"wyh.errors"},
    "wyh.arrays": {"wyh.errors"},
    "wyh.signal": SPECS,
    "wyh.models": SPECS | {"wyh.signal"},
    "wyh.synths": SPECS | {"wyh.signal"},
    "wyh.media": SPECS,
    "wyh.runs": SPECS | {"wyh.plain", "wyh.arrays"},
    "wyh.metrics": SPECS | {"wyh.signal"},
    "wyh.losses": SPECS | {"wyh.signal"},
    "wyh.windows": SPECS,
    "wyh.moments": SPECS | {"wyh.windows"},
    "wyh.viewing": SPECS,
    "wyh.picture_losses": set(),
    "wyh.natural": SPECS,
    "wyh.augment": SPECS | {"wyh.natural"},
    "wyh.principal": SPECS | {"wyh.natural", "wyh.signal", "wyh.models"},
    "wyh.optimizers": SPECS,
    "wyh.contrastive": SPECS,
    "wyh.selection": SPECS,
    "wyh.judging": SPECS | {"wyh.models"},
    "wyh.sound_set": SPECS | {"wyh.windows"},
    "wyh.sound_variation": SPECS,
    "wyh.sound_division": SPECS | {"wyh.sound_set"},
    "wyh.transducers": SPECS
    | {"wyh.signal", "wyh.models", "wyh.synths", "wyh.selection"}
    | {"wyh.plain", "wyh.runs", "wyh.checkpoints"},
}
OFF_THE_PLAYING_PATH = {
    "wyh.training",
    "wyh.records",
    "wyh.losses",
    "wyh.metrics",
    "wyh.dataset",
    "wyh.frames",
    "wyh.natural",
    "wyh.augment",
    "wyh.principal",
    "wyh.optimizers",
    "wyh.contrastive",
    "wyh.validation",
    "wyh.moments",
    "wyh.songs",
    "wyh.soundtracks",
    "wyh.pairs",
    "wyh.foley",
    "wyh.pretraining",
    "wyh.sweeping",
    "wyh.searching",
    "wyh.studies",
    "wyh.sweep_charts",
    "wyh.loudness",
    "wyh.viewing",
    "wyh.picture_losses",
    "wyh.painting",
    "wyh.sound_augment",
    "wyh.wave_losses",
    "wyh.transcript",
    "wyh.played",
    "wyh.sound_set",
    "wyh.sound_variation",
    "wyh.sound_division",
    "wyh.classifying",
    "wyh.dreaming",
    "wyh.picture_classes",
    "wyh.judging",
    "wyh.watching",
}
PARTS_OF_MODELS = {"wyh.models.layers", "wyh.models.gaze"}
HEAVY = ("orbax", "optax", "scipy.signal", "tensorflow_datasets", "grain", "matplotlib")


def module_of(path: Path) -> str:
    name = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
    return name.removesuffix(".__init__")


def imported(path: Path) -> set[tuple[str, bool]]:
    """`(module, whether inside a function)` of all that a file imports, wherever it does."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            # `from wyh import knobs` imports a module, `from wyh.specs import as_rate` does not.
            names = [
                f"{node.module}.{alias.name}"
                if (ROOT / f"{node.module}.{alias.name}".replace(".", "/"))
                .with_suffix(".py")
                .exists()
                else str(node.module)
                for alias in node.names
            ]
        else:
            continue
        found |= {(name, id(node) in inside) for name in names}
    return found


def names_imported(path: Path) -> set[str]:
    return {name for name, _ in imported(path)}


def under(module: str, part: str) -> bool:
    return module == part or module.startswith(f"{part}.")


@pytest.mark.parametrize("part", ALLOWED)
def test_parts_import_only_what_lies_below_them(part):
    files = [path for path in PRODUCT if under(module_of(path), part)]
    assert files
    for path in files:
        for name in names_imported(path):
            if under(name, "wyh") and not under(name, part):
                assert any(
                    name == allowed or (allowed != "wyh" and under(name, allowed))
                    for allowed in ALLOWED[part]
                ), f"{module_of(path)} imports {name}"


@pytest.mark.parametrize("path", PRODUCT, ids=IDS)
def test_rules_for_every_file(path):
    module, names = module_of(path), names_imported(path)
    lines = path.read_text().count("\n")
    assert lines <= 300, f"{lines} lines"
    assert path.stem not in ("utils", "util", "helpers", "misc")
    assert not any(under(name, "tensorflow") for name in names)
    if not under(module, "wyh.models"):
        assert not any(under(name, "flax") for name in names)
    if under(module, "wyh"):
        assert not any(under(name, top) for name in names for top in ("experiments", "data_prep"))
    if under(module, "data_prep"):
        assert not any(under(name, "experiments") for name in names)
    for name, inside in imported(path):
        if under(name, "tensorflow_datasets"):
            assert inside, "it takes 0.9 s: only the function that writes its files may import it"


def test_models_never_import_one_another():
    for path in (ROOT / "wyh/models").glob("*.py"):
        siblings = {name for name in names_imported(path) if under(name, "wyh.models")}
        assert siblings <= {*PARTS_OF_MODELS, module_of(path)}, path.name


def test_the_lowest_level_needs_no_jax():
    for name in ("specs", "knobs", "errors", "runs", "plain", "arrays", "cli", "__init__"):
        names = names_imported(ROOT / f"wyh/{name}.py")
        assert not any(under(n, "jax") for n in names), name


def test_playing_imports_nothing_of_training():
    for folder in ("transducers", "synths", "live", "media"):
        for path in (ROOT / "wyh" / folder).rglob("*.py"):
            assert not OFF_THE_PLAYING_PATH & names_imported(path), path
    assert not OFF_THE_PLAYING_PATH & names_imported(ROOT / "wyh/render.py")


SONIFY = """
from wyh.transducers.offline import sonify
frames = np.zeros((3, 16, 16, 3), np.uint8)
sound = sonify(player.transducer, player.variables, [frames], knobs.defaults())
assert sum(map(len, sound)) == 2400
"""
VISUALIZE = """
from wyh.transducers.offline import visualize
sound = np.zeros(1000, np.float32)
pictures = visualize(player.transducer, player.variables, [sound], knobs.defaults())
assert sum(map(len, pictures)) == 3
"""


@pytest.mark.parametrize(
    ("maker", "play"),
    [(make_run, SONIFY), (make_visual_run, VISUALIZE), (make_dream_run, VISUALIZE)],
    ids=["sound", "pictures", "dream"],
)
def test_the_playing_path_loads_nothing_heavy(maker, play, tmp_path):
    """What `wyh.render` loads from its start to the last tick, in a process of its own."""
    maker(tmp_path / "run")
    code = f"""
import sys
from pathlib import Path
import numpy as np
import wyh.render
from wyh import knobs
from wyh.runs import load_run
from wyh.transducers.kinds import load_player
player = load_player(load_run(Path({str(tmp_path / "run")!r})))
{play}
heavy = {HEAVY!r}
print([m for m in sys.modules if any(m == h or m.startswith(h + ".") for h in heavy)])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.stderr == ""
    assert done.stdout == "[]\n"
