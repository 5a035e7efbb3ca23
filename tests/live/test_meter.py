import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest

from wyh.live.meter import STAGES, Histogram, Meter, as_text

SCHEMA = json.loads(files("wyh.live").joinpath("summary.schema.json").read_text())


def summary(meter: Meter, **changed):
    given = {"frames": 3, "secs": 1.5, "underruns": 0, "first_sound_secs": 0.9}
    return meter.summary(**given | changed)


@pytest.mark.parametrize("percent", [1, 50, 95, 99, 100])
def test_percentiles_are_exact_to_a_percent(rng, percent):
    secs = rng.lognormal(-6, 1.5, 5000)
    histogram = Histogram()
    for value in secs:
        histogram.add(value)
    wanted = np.percentile(secs, percent, method="inverted_cdf")
    assert histogram.percentile_secs(percent) == pytest.approx(wanted, rel=0.006)


def test_nothing_measured_is_none():
    assert Histogram().percentile_secs(50) is None


def test_what_is_out_of_range_counts_at_the_edge():
    histogram = Histogram()
    histogram.add(-1.0)
    assert histogram.percentile_secs(50) == pytest.approx(1e-6)
    histogram.add(1e9)
    assert histogram.percentile_secs(100) > 500


def test_the_summary_keeps_to_its_schema():
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    meter = Meter()
    jsonschema.validate(summary(meter, first_sound_secs=None), SCHEMA)
    for number, stage in enumerate(STAGES):
        meter.add(stage, 0.001 * (number + 1))
    meter.add_offset(0.05)
    given = summary(meter)
    jsonschema.validate(given, SCHEMA)
    assert list(given["stages_ms"]) == list(STAGES)
    assert given["stages_ms"]["observe"]["p50"] == pytest.approx(3, rel=0.01)
    assert given["offset_ms"] == pytest.approx(50, rel=0.01)


@pytest.mark.parametrize("name", ["frames", "stages_ms", "offset_ms"])
def test_the_schema_refuses_a_summary_that_lacks(name):
    given = summary(Meter())
    del given[name]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(given, SCHEMA)


def test_the_schema_refuses_more():
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(summary(Meter()) | {"more": 1}, SCHEMA)


def test_people_read_a_table():
    meter = Meter()
    meter.add("emit", 0.002)
    text = as_text(summary(meter))
    assert "3 pictures, 1.5 s of sound, 0 underruns" in text
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["ms", *STAGES]
