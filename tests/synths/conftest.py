"""Synths are compiled anew for each form, which takes longer than what they play in tests."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _compiled_quickly(quickly: None) -> None:
    """For every test of this folder."""
