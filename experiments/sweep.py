"""The best settings of any experiment, found by trying: many short runs, judged on validation data.

    python -m experiments.sweep --experiment dbn --trials 20 --set steps=300 \\
        --over learning_rate=1e-4..1e-2:log model.dropout=0..0.5 'model.widths=256,256|512,512'

`--over` names fields of the experiment's config: a range `LOW..HIGH`, `:log` for one that spans
orders of magnitude, or choices `A|B|C` (`true|false` for switches, commas within a tuple). `--set`
is the same for all trials. Each trial is a run of its own, OUT/trials/NUMBER, trained by
`python -m experiments.NAME`; the figure is the best validation figure of that run, never of the test
set. A trial that fails is kept with its error, and the study goes on.

The study is OUT/study.db. The same command goes on until `--trials` are done in all; Ctrl-C stops
the trials that run, which are tried again. On several machines: the same command on each with
`--storage postgresql://...` or `mysql://...` (a server; its driver is pip's `psycopg2-binary` or
`pymysql`), or a FILE.journal in a folder that all share. SQLite is for one machine.

OUT/table.md and OUT/*.png show the study; the last line printed is the best run.
"""

import math
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

import numpy as np

from wyh.cli import parse
from wyh.cli import run as run_command
from wyh.errors import WyhError, check_range
from wyh.runs import BestMetric, replace_file
from wyh.stopping import stop_signals
from wyh.sweeping import Choice, Setting, Span, Trial, Varied, best_figure, named, ranked
from wyh.sweeping import settings_of, shown, table, varied

try:
    import optuna
    from optuna.distributions import BaseDistribution
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    from optuna.samplers import BaseSampler, TPESampler
    from optuna.storages import BaseStorage, JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend
    from optuna.study import Study
    from optuna.trial import FrozenTrial, TrialState
    from sqlalchemy.exc import SQLAlchemyError
except ModuleNotFoundError:
    raise SystemExit("a sweep needs optuna: pip install 'wyh[sweep]'") from None
