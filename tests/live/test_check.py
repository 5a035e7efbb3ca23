import pytest

from tests.visual import make_visual_run
from wyh.live import check
from wyh.live.check import Speed, measure
from wyh.runs import load_run
from wyh.transducers.kinds import load_player


def speed(observe_ms, emit_ms):
    stages = {
        "observe": {"p50": observe_ms, "p95": 2 * observe_ms, "p99": 9.0},
        "emit": {"p50": emit_ms, "p95": 2 * emit_ms, "p99": 9.0},
    }
    return Speed(0.2, None, stages, {"observe": 40.0, "emit": 8.0})


def test_load_is_the_share_of_the_time_that_both_take():
    assert speed(4.0, 2.0).load() == pytest.approx(0.1 + 0.25)
    assert speed(4.0, 2.0).load(95) == pytest.approx(0.2 + 0.5)
    assert speed(4.0, 2.0).to_json()["load"] == {"p50": 0.35, "p95": 0.7, "p99": 1.35}


@pytest.fixture
def player(run_dir):
    return load_player(load_run(run_dir))


def test_a_run_is_measured(player, monkeypatch):
    monkeypatch.setattr(check, "FRAMES", 25)
    found = measure(player)
    assert found.limits_ms == {"observe": 40.0, "emit": 1000 * 64 / 8000}
    for stage in found.stages_ms.values():
        assert 0 < stage["p50"] <= stage["p95"] <= stage["p99"]
    assert found.compile_secs > 0


def test_a_slow_run_is_measured_for_a_while_only(player, monkeypatch):
    monkeypatch.setattr(check, "MEASURE_SECS", 0.0)
    compiled, _ = check._compile(player)
    observe, emit = check._times(compiled, player.variables, player.transducer.spec)
    assert len(observe) == check._LEAST
    per_frame = 8000 / 25 / 64
    assert abs(len(emit) - check._LEAST * per_frame) <= per_frame


def test_the_first_time_is_told_apart(player, monkeypatch):
    monkeypatch.setattr(check, "FRAMES", 3)
    monkeypatch.setattr(check, "_compile", lambda player: (None, 0.5))
    monkeypatch.setattr(check, "_times", lambda *arguments: ([0.001], [0.001]))
    kept = iter([{"one"}, {"one", "two"}, {"one"}, {"one"}])
    monkeypatch.setattr(check, "_kept", lambda: next(kept))
    assert measure(player).first_compile_secs == 0.5
    assert measure(player).first_compile_secs is None


def test_what_is_kept(tmp_path):
    (tmp_path / "jit_emit-cache").touch()
    (tmp_path / "jit_emit-atime").touch()
    import jax

    before = jax.config.jax_compilation_cache_dir
    try:
        jax.config.update("jax_compilation_cache_dir", str(tmp_path))
        assert check._kept() == {"jit_emit-cache"}
        jax.config.update("jax_compilation_cache_dir", str(tmp_path / "gone"))
        assert check._kept() == set()
    finally:
        jax.config.update("jax_compilation_cache_dir", before)


def test_a_run_that_makes_pictures_is_measured_too(tmp_path):
    found = measure(load_player(make_visual_run(tmp_path / "run")))
    assert found.limits_ms == {"observe": 10.0, "emit": pytest.approx(1000 / 24)}
    assert all(stage["p50"] > 0 for stage in found.stages_ms.values())
