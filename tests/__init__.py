"""Tests, laid out as the code is. Annotations are checked while they run (see setup.cfg)."""

from beartype import BeartypeConf, beartype

# Takes an int where a float is annotated, as PEP 484 does.
typecheck = beartype(conf=BeartypeConf(is_pep484_tower=True))
