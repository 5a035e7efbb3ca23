"""Opening an Optuna study: in a file or a database, drawn from seeds, shared by workers.

Needs the extra `[sweep]`. Source: Bergstra et al., "Algorithms for hyper-parameter optimization",
NIPS 2011 (the tree-structured Parzen estimator, as Optuna has it).
"""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import FrozenTrial
from sqlalchemy.exc import SQLAlchemyError

from wyh.errors import WyhError
from wyh.searching import Search
from wyh.sweeping import Varied

_SQLITE = (".db", ".sqlite", ".sqlite3")


class SeededByTrial(BaseSampler):
    """TPE whose draws depend on the seed, the trial's number and the trials before, nothing else.

    A sampler that is seeded once would draw the same again in every process that joins or resumes.
    """

    def __init__(self, seed: int):
        self._seed, self._tpe = seed, TPESampler()

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Begin anew from the trial's number."""
        seed = np.random.SeedSequence([self._seed, trial.number]).generate_state(1)[0]
        self._tpe = TPESampler(seed=int(seed), constant_liar=True)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """As TPE does."""
        return self._tpe.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As TPE does."""
        return self._tpe.sample_relative(study, trial, search_space)

    def sample_independent(
        self, study: optuna.Study, trial: FrozenTrial, name: str, distribution: BaseDistribution
    ) -> Any:
        """As TPE does."""
        return self._tpe.sample_independent(study, trial, name, distribution)


@contextmanager
def open_search(
    storage: str, name: str, about: Mapping[str, Any], over: Sequence[Varied], out: Path, seed: int
) -> Iterator[Search]:
    """Begin a study, or go on with it.

    Args:
      storage: a URL that SQLAlchemy knows, an SQLite file (.db), or a file that several machines
        append to.
      name: of the study in it.
      about: plain values that must be the same in all that take part: experiment, over, set.
      over: what is varied.
      out: where the results are kept.
      seed: of what is drawn.

    Raises:
      WyhError: the storage cannot be used, or holds the study of something else.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    shown = re.sub(r"(://[^:/@]*):[^@]*@", r"\1:***@", storage)
    kept: BaseStorage | None = None
    try:
        try:
            kept = _patiently(storage)
            study = optuna.create_study(
                storage=kept,
                sampler=SeededByTrial(seed),
                study_name=name,
                direction="maximize",
                load_if_exists=True,
            )
            _check(study, about, shown)
        except ImportError as error:
            driver = getattr(error.__cause__, "name", None) or "its driver"
            raise WyhError(f"{shown} needs the module {driver}: pip install it") from None
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            raise _cannot_use(shown, error) from None
        if not study.get_trials(deepcopy=False) and any((out / "trials").glob("*")):
            raise WyhError(f"{out / 'trials'} holds runs of another study: choose another --out")
        yield Search(study, kept, over, out / "trials")
    except (SQLAlchemyError, optuna.exceptions.OptunaError) as error:
        raise _cannot_use(shown, error) from None
    finally:
        if isinstance(kept, RDBStorage):
            kept.remove_session()
            kept.engine.dispose()


def _patiently(text: str) -> BaseStorage:
    """A second try, as workers that begin at the same moment both make the tables: one fails."""
    try:
        return _storage(text)
    except SQLAlchemyError:
        time.sleep(1.0)
        return _storage(text)


def _storage(text: str) -> BaseStorage:
    if "://" not in text:
        path = Path(text)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix not in _SQLITE:
            return JournalStorage(JournalFileBackend(text))
        text = f"sqlite:///{text}"
    patient = {"connect_args": {"timeout": 60}} if text.startswith("sqlite") else {}
    return RDBStorage(text, engine_kwargs=patient)


def _check(study: optuna.Study, about: Mapping[str, Any], shown: str) -> None:
    """Whether a study is of the same experiment, settings and ranges; a new one becomes so."""
    known = study.user_attrs.get("sweep")
    if known is None and not study.get_trials(deepcopy=False):
        study.set_user_attr("sweep", dict(about))
        return
    if known is None:
        raise WyhError(f"{shown} holds a study that no sweep made: choose another --storage")
    for name, mine in about.items():
        if known.get(name) != mine:
            theirs, asked = (_written(one) for one in (known.get(name), mine))
            raise WyhError(
                f"{shown} holds a sweep with --{name} {theirs}, not {asked}: go on with the same, "
                "or choose another --out"
            )


def _written(value: Any) -> str:
    if not isinstance(value, Mapping):
        return str(value)
    return " ".join(f"{path}={text}" for path, text in sorted(value.items())) or "nothing"


def _cannot_use(shown: str, error: Exception) -> WyhError:
    reason = (str(error).strip() or type(error).__name__).splitlines()[0]
    return WyhError(f"{shown} cannot be used as the storage of a study: {reason}")
