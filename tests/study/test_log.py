"""The trial log, by one acceptance class for both databases."""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from quantlab.core import InputError, KindError
from quantlab.execution import Bps, Costs
from quantlab.study._log import TrialLog
from quantlab.study._run import Batch, Run, run_key

START = datetime(2024, 1, 1, tzinfo=UTC)
HEAD = ["run", "batch", "study", "key", "number", "status", "reason", "seed"]
FIXED = [*HEAD, "created", "started", "finished", "duration"]


def variant(number: int, **given) -> Run:
    params = {"lookback": 21 * (number + 1), "top": number / 7}
    return Run(**{"key": f"key {number}", "number": number, "params": params, **given})


@pytest.fixture
def log(place, tmp_path, clock) -> TrialLog:
    return TrialLog(place, artifacts=tmp_path / "artifacts", clock=clock)


class TestTrialLog:
    """What holds in SQLite and in PostgreSQL."""

    def test_a_new_log_is_empty(self, log):
        assert log.studies().schema == {
            "study": pl.String,
            "batches": pl.Int64,
            "runs": pl.Int64,
            "trials": pl.Int64,
            "created": pl.Datetime("us", "UTC"),
            "last": pl.Datetime("us", "UTC"),
        }
        assert log.studies().height == log.batches().height == log.runs().height == 0
        assert log.runs().columns == FIXED

    def test_a_sweep_by_hand(self, log):
        batch = log.begin(
            "momentum",
            kind="sweep",
            strategy="twelve_one",
            code_hash="c0de",
            data_hash="da7a",
            settings={"costs": Costs(slippage=Bps(5)), "fill": "next_close", "grid": {"top": [0.1, np.float64(0.2)]}},
            planned=3,
            seed=2**63 - 1,
        )
        assert batch == Batch(1, "momentum")
        log.record(batch, [variant(0, metrics={"sharpe": 0.5}), variant(1, metrics={"sharpe": -0.25, "days": 10})])
        log.record(batch, [variant(2, status="failed", reason="ValueError: too short")])
        log.end(batch)

        row = log.batches().row(0, named=True)
        settings, environment = json.loads(row.pop("settings")), json.loads(row.pop("environment"))
        assert settings["costs"]["slippage"] == {"type": "Bps", "value": 5.0}
        assert (settings["fill"], settings["grid"]) == ("next_close", {"top": [0.1, 0.2]})
        assert set(environment) >= {"python", "platform", "cpus", "quantlab", "numpy", "polars", "numba"}
        created, heartbeat, finished = (row.pop(name) for name in ("created", "heartbeat", "finished"))
        assert START < created < heartbeat == finished
        assert row == {
            "batch": 1,
            "study": "momentum",
            "kind": "sweep",
            "strategy": "twelve_one",
            "status": "done",
            "reason": None,
            "planned": 3,
            "runs": 3,
            "done": 2,
            "abandoned": 0,
            "failed": 1,
            "seed": 2**63 - 1,
            "code_hash": "c0de",
            "data_hash": "da7a",
        }
        runs = log.runs("momentum")
        assert runs.columns == [*FIXED, "lookback", "top", "sharpe", "days"]
        assert runs.select("run", "number", "status", "reason", "lookback", "top", "sharpe", "days").rows() == [
            (1, 0, "done", None, 21, 0.0, 0.5, None),
            (2, 1, "done", None, 42, 1 / 7, -0.25, 10.0),
            (3, 2, "failed", "ValueError: too short", 63, 2 / 7, None, None),
        ]
        study = log.studies().row(0, named=True)
        assert (study["study"], study["batches"], study["runs"], study["trials"]) == ("momentum", 1, 3, 2)
        assert study["created"] <= created < study["last"]

    def test_every_field_of_a_run_comes_back(self, log):
        zone = datetime(2024, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)
        run = Run(
            key="k",
            number=7,
            status="failed",
            reason="half \ud800 a pair, and \0",
            duration=0.1 + 0.2,
            started=zone.astimezone(datetime.strptime("+0530", "%z").tzinfo),
            finished=zone + timedelta(microseconds=1),
            seed=11,
        )
        batch = log.begin("s", kind="sweep", seed=3)
        log.record(batch, [run])
        row = log.runs().row(0, named=True)
        assert row.pop("created") > START
        assert row == {
            "run": 1,
            "batch": 1,
            "study": "s",
            "key": "k",
            "number": 7,
            "status": "failed",
            "reason": "half \\ud800 a pair, and \\x00",
            "seed": 11,
            "started": zone,
            "finished": zone + timedelta(microseconds=1),
            "duration": 0.30000000000000004,
        }

    def test_parameters_come_back_as_they_went_in(self, log):
        params = {
            "whole": 3,
            "huge": 10**30,
            "real": 0.1,
            "third": 1 / 3,
            "tiny": 5e-324,
            "zero": -0.0,
            "infinite": -math.inf,
            "yes": True,
            "none": None,
            "text": 'Ä "quoted" \\ \n',
            "nul": "a\0b",
            "empty": "",
            "day": date(2020, 2, 29),
            "moment": datetime(2020, 2, 29, 1, 2, 3, 4, tzinfo=UTC),
            "pair": (1, (2.5, "x")),
            "list": [1, None, (True,)],
            "tree": {"a": (1, 2), "repr": {"float": "inf"}},
            "a name. with: anything/in it ☃": 1,
        }
        numpy = {
            "integer": np.int32(4),
            "single": np.float32(0.1),
            "bool": np.bool_(True),
            "string": np.str_("x"),
            "date": np.datetime64("2020-02-29"),
            "time": np.datetime64("2020-02-29T01:02:03.000004", "ns"),
        }
        with log.run("s", params=params | numpy | {"object": Bps(5)}) as run:
            pass
        found = log.params(run.id)
        # A NUL cannot be stored, and is marked as what no text is.
        assert found.pop("nul") == repr(params.pop("nul"))
        assert found.pop("object") == "Bps(value=5.0)"
        assert found == params | {
            "integer": 4,
            "single": float(np.float32(0.1)),
            "bool": True,
            "string": "x",
            "date": date(2020, 2, 29),
            "time": datetime(2020, 2, 29, 1, 2, 3, 4),
        }
        kinds = {name: type(value) for name, value in params.items()}
        assert {name: type(found[name]) for name in kinds} == kinds
        assert math.copysign(1, found["zero"]) == -1

    def test_metrics_come_back_to_the_last_bit(self, log):
        draws = np.random.Generator(np.random.Philox(5)).integers(0, 2**64, 500, dtype=np.uint64).view(np.float64)
        values = [value for value in [*draws.tolist(), -0.0, 5e-324, math.inf, -math.inf] if not math.isnan(value)]
        metrics = {f"m{number}": value for number, value in enumerate(values)}
        with log.run("s") as run:
            run.metrics(metrics)
            run.metrics({"nan": math.nan, "none": None, "int": 3, "numpy": np.float32(0.5), "bool": True})
        row = log.runs().row(0, named=True)
        found = np.array([row[name] for name in metrics])
        np.testing.assert_array_equal(found.view(np.uint64), np.array(values).view(np.uint64))
        assert [row[name] for name in ("nan", "none", "int", "numpy", "bool")] == [None, None, 3.0, 0.5, 1.0]

    def test_columns_have_the_type_of_their_values(self, log):
        days, moments = [date(2020, 1, 1), None], [datetime(2020, 1, 1), datetime(2020, 1, 2)]
        columns = {
            "int": ([1, 2], pl.Int64, [1, 2]),
            "float": ([1.5, None], pl.Float64, [1.5, None]),
            "numbers": ([1, 2.5], pl.Float64, [1.0, 2.5]),
            "exact": ([2**53 + 1, 0.5], pl.String, ["9007199254740993", "0.5"]),
            "huge": ([2**63, 1], pl.String, ["9223372036854775808", "1"]),
            "bool": ([True, False], pl.Boolean, [True, False]),
            "str": (["x", None], pl.String, ["x", None]),
            "date": (days, pl.Date, days),
            "moment": (moments, pl.Datetime("us"), moments),
            "zoned": ([moment.replace(tzinfo=UTC) for moment in moments], pl.Datetime("us", "UTC"), None),
            "null": ([None, None], pl.Null, [None, None]),
            "mixed": ([1, "1"], pl.String, ["1", "1"]),
            "flag": ([True, 2], pl.String, ["True", "2"]),
            "tuple": ([(1, 2), (3,)], pl.String, ["(1, 2)", "(3,)"]),
            "nan": ([math.nan, math.inf], pl.Float64, None),
        }
        batch = log.begin("s", kind="sweep")
        rows = [{name: values[i] for name, (values, _, _) in columns.items()} for i in range(2)]
        log.record(batch, [Run(key=str(i), params=params) for i, params in enumerate(rows)])
        frame = log.runs()
        for name, (_, dtype, values) in columns.items():
            assert frame[name].dtype == dtype, name
            assert values is None or frame[name].to_list() == values, name
        assert frame["zoned"].to_list() == columns["zoned"][0]
        assert math.isnan(frame["nan"][0])

    def test_a_taken_name_gets_a_prefix(self, log):
        params = {"param.seed": 4, "seed": 1, "sharpe": 2, "free": 3, "duration": 5}
        with log.run("s", params=params) as run:
            run.metrics({"sharpe": 0.5, "status": 0.25, "metric.status": 0.125})
        row = log.runs().drop(FIXED).row(0, named=True)
        assert row == {
            "param.seed": 4,
            "param.param.seed": 1,
            "param.sharpe": 2,
            "free": 3,
            "param.duration": 5,
            "sharpe": 0.5,
            "metric.status": 0.25,
            "metric.metric.status": 0.125,
        }

    def test_a_key_of_the_same_batch_is_replaced(self, log):
        batch = log.begin("s", kind="sweep")
        log.record(batch, [variant(0, status="failed", reason="no"), variant(1, metrics={"sharpe": 1.0, "old": 1.0})])
        first = log.runs()
        log.record(batch, [variant(1, metrics={"sharpe": 2.0}), variant(0, metrics={"sharpe": 3.0}), variant(2)])
        log.record(batch, [variant(2, metrics={"sharpe": 8.0}), variant(2, metrics={"sharpe": 4.0})])
        found = log.runs()
        assert found.select("number", "status", "reason", "sharpe").rows() == [
            (0, "done", None, 3.0),
            (1, "done", None, 2.0),
            (2, "done", None, 4.0),
        ]
        assert "old" not in found.columns
        assert found["run"].to_list()[:2] == first["run"].to_list()
        assert found["created"].to_list()[:2] == first["created"].to_list()

    def test_nothing_of_a_refused_call_is_written(self, log):
        batch = log.begin("s", kind="sweep")
        with pytest.raises(KindError, match="Metric sharpe must be a number, received 'high'"):
            log.record(batch, [variant(0), variant(1, metrics={"sharpe": "high"})])
        assert log.runs().height == 0
        with pytest.raises(InputError, match="There is no batch 7 in this trial log"):
            log.record(7, [variant(0)])
        assert log.runs().height == 0

    def test_the_same_key_counts_once(self, log):
        for study, scale in (("s", 1), ("s", 2), ("other", 3)):
            batch = log.begin(study, kind="sweep")
            log.record(batch, [variant(number, metrics={"sharpe": scale * number, "x": 1}) for number in range(3)])
            log.end(batch, status="interrupted")
        trials = log.trials("s")
        assert (trials.study, trials.count, trials.failed, trials.metric) == ("s", 3, 0, "sharpe")
        # Of a configuration that ran twice the newest number.
        assert trials.values.tolist() == [0.0, 2.0, 4.0]
        assert log.trials("other").values.tolist() == [0.0, 3.0, 6.0]
        assert log.trials("s", metric="x").values.tolist() == [1.0] * 3
        assert log.trials("s", metric="nothing").values.tolist() == []
        assert dict(log.studies().select("study", "trials").rows()) == {"s": 3, "other": 3}
        assert dict(log.studies().select("study", "runs").rows()) == {"s": 6, "other": 3}

    def test_who_failed_without_a_number_is_no_trial(self, log):
        batch = log.begin("s", kind="sweep")
        numbers = [
            Run(key="failed", status="failed", reason="no"),
            Run(key="failed late", status="failed", metrics={"sharpe": 0.5}),
            Run(key="abandoned", status="abandoned"),
            Run(key="nan", metrics={"sharpe": math.nan}),
            Run(key="failed first", status="failed"),
            Run(key="infinite", metrics={"sharpe": math.inf}),
        ]
        log.record(batch, numbers)
        log.record(log.begin("s", kind="sweep"), [Run(key="failed first", metrics={"sharpe": 0.25})])
        trials = log.trials("s")
        assert (trials.count, trials.failed) == (5, 1)
        assert trials.values.tolist() == [0.5, math.inf, 0.25]
        assert log.studies()["trials"].to_list() == [5]
        assert not trials.values.flags.writeable

    def test_a_number_is_not_lost_when_a_later_run_has_none(self, log):
        log.record(log.begin("s", kind="sweep"), [Run(key="k", metrics={"sharpe": 0.5})])
        log.record(log.begin("s", kind="sweep"), [Run(key="k", metrics={"sharpe": math.nan})])
        assert log.trials("s").values.tolist() == [0.5]

    def test_runs_are_chosen(self, log):
        first, second = log.begin("a", kind="sweep"), log.begin("b", kind="walk_forward")
        log.record(first, [variant(number, metrics={"sharpe": number}) for number in range(4)])
        log.record(second, [variant(0), variant(1, status="failed")])
        log.tag(1, stage="paper", desk="x")
        log.tag(2, stage="paper")

        def chosen(*given, **more):
            return log.runs(*given, **more)["run"].to_list()

        assert chosen() == [1, 2, 3, 4, 5, 6]
        assert chosen("a") == chosen(batch=first) == chosen(batch=1) == [1, 2, 3, 4]
        assert chosen("b", status="failed") == chosen(status=["failed"]) == [6]
        assert chosen(status=[]) == chosen("a", batch=second) == []
        assert chosen("a", where=pl.col("sharpe") >= 2) == [3, 4]
        assert chosen(tags={"stage": "paper"}) == [1, 2]
        assert chosen(tags={"stage": "paper", "desk": "x"}) == [1]
        assert chosen(tags={"stage": "live"}) == []
        assert log.batches("b")["batch"].to_list() == [2]
        with pytest.raises(InputError, match=r"`where` does not fit the runs: .*sharp.*they have the columns run, ba"):
            log.runs("a", where=pl.col("sharp") > 1)
        with pytest.raises(InputError, match="There is no study 'c'; there are a, b"):
            log.runs("c")
        with pytest.raises(InputError, match="`status` must be among running, done, abandoned, failed, received 'ok'"):
            log.runs(status="ok")
        for number in (9, 2**70):
            with pytest.raises(InputError, match=f"There is no batch {number} in this trial log"):
                log.runs(batch=number)
        with pytest.raises(KindError, match="The value of a tag must be text, received int"):
            log.runs(tags={"stage": 3})

    def test_a_run_by_hand(self, log, tmp_path):
        (tmp_path / "sheet.html").write_text("<html>")
        about = {"code_hash": "c", "data_hash": "d", "settings": {"fill": "next_open"}, "seed": 5}
        with log.run("s", params={"top": 0.1}, strategy="mine", **about) as run:
            run.metric("sharpe", 1.0)
            # What it says is there while it runs.
            assert log.runs().select("status", "sharpe", "finished").rows() == [("running", 1.0, None)]
            assert log.batches()["status"].to_list() == ["running"]
            run.metrics({"sharpe": 1.5, "days": 10})
            run.tag("stage", "paper")
            run.note("Looks fine.")
            digest = run.artifact(tmp_path / "sheet.html", kind="tearsheet")
        assert run.key == run_key({"top": 0.1}, **about)
        row = log.runs().row(0, named=True)
        assert (row["status"], row["key"], row["seed"], row["top"]) == ("done", run.key, 5, 0.1)
        assert (row["sharpe"], row["days"]) == (1.5, 10.0)
        assert row["duration"] == (row["finished"] - row["started"]).total_seconds() > 0
        batch = log.batches().row(0, named=True)
        assert (batch["kind"], batch["status"], batch["planned"], batch["strategy"]) == ("single", "done", 1, "mine")
        assert log.tags(run.id) == {"stage": "paper"}
        assert log.notes(run.id)["text"].to_list() == ["Looks fine."]
        assert log.artifacts(run.id).select("name", "kind", "sha256", "size").rows() == [
            ("sheet.html", "tearsheet", digest, 6)
        ]
        assert log.read(digest) == b"<html>"

    def test_an_exception_fails_the_run_and_goes_on(self, log):
        def fail():
            with log.run("s") as run:
                run.metric("sharpe", 1.0)
                _ = 1 / 0

        with pytest.raises(ZeroDivisionError):
            fail()
        assert log.runs().select("status", "reason", "sharpe").rows() == [
            ("failed", "ZeroDivisionError: division by zero", 1.0)
        ]
        assert log.batches().select("status", "reason").rows() == [("failed", "ZeroDivisionError: division by zero")]

    def test_an_interruption_abandons_the_run(self, log):
        with pytest.raises(KeyboardInterrupt), log.run("s"):
            raise KeyboardInterrupt
        assert log.runs().select("status", "reason").rows() == [("abandoned", "KeyboardInterrupt")]
        assert log.batches().select("status", "reason").rows() == [("interrupted", "KeyboardInterrupt")]
        assert log.trials("s").count == 1

    def test_runs_by_hand_without_hashes_are_trials_of_their_own(self, log):
        for _ in range(2):
            with log.run("s", params={"top": 0.1}, data_hash="d"):
                pass
        assert log.trials("s").count == 2
        for _ in range(2):
            with log.run("s", params={"top": 0.1}, data_hash="d", code_hash="c"):
                pass
        assert log.trials("s").count == 3

    def test_ending_a_batch(self, log):
        batch = log.begin("s", kind="sweep")
        log.record(batch, [variant(0, status="running"), variant(1)])
        log.end(batch, status="failed", reason="MemoryError")
        assert log.batches().select("status", "reason", "done", "abandoned").rows() == [("failed", "MemoryError", 1, 1)]
        assert log.runs()["status"].to_list() == ["abandoned", "done"]
        with pytest.raises(InputError, match="`status` must be one of done, interrupted, abandoned, failed"):
            log.end(batch, status="running")
        with pytest.raises(InputError, match="There is no batch 5"):
            log.end(5)

    def test_tags_and_notes_hang_on_runs_and_studies(self, log):
        with log.run("s") as run:
            pass
        log.tag(run.id, {"a name": "ä", "stage": "x"}, empty="")
        log.tag(run.id, stage="y")
        log.tag("s", stage="study")
        log.tag("s")
        assert log.tags(run.id) == {"a name": "ä", "empty": "", "stage": "y"}
        assert log.tags("s") == {"stage": "study"}
        log.note(run.id, "first")
        log.note(run.id, "second")
        log.note("s", "of the study")
        assert log.notes(run.id)["text"].to_list() == ["first", "second"]
        assert log.notes(run.id)["created"].is_sorted()
        assert log.notes("s")["text"].to_list() == ["of the study"]
        for target in (run.id + 1, "t"):
            with pytest.raises(InputError, match="There is no "):
                log.tag(target, a="b")
            with pytest.raises(InputError, match="There is no "):
                log.notes(target)
        with pytest.raises(KindError, match="The value of a tag must be text, received int"):
            log.tag(run.id, stage=3)
        with pytest.raises(KindError, match=r"`run` must be an integer >= 1, received 1\.5"):
            log.tag(1.5, a="b")

    def test_runs_are_compared(self, log):
        shared = {"settings": {"fill": "next_open", "costs": {"bps": 5}}, "code_hash": "c"}
        with log.run("s", params={"top": 0.1, "skip": 21, "only": None}, data_hash="d", key="k1", **shared) as first:
            first.metrics({"sharpe": 0.1 + 0.2, "days": 10})
        shared["settings"] = {"fill": "next_open", "costs": {"bps": 10}}
        with log.run("s", params={"top": 0.2, "skip": 21}, data_hash="e", key="k2", seed=4, **shared) as second:
            second.metrics({"sharpe": math.nan, "days": 10})
        frame = log.compare([second.id, first.id])
        assert frame.columns == ["kind", "name", "2", "1"]
        assert frame.rows() == [
            ("batch", "data_hash", "e", "d"),
            ("run", "key", "k2", "k1"),
            ("run", "seed", "4", None),
            ("param", "top", "0.2", "0.1"),
            ("param", "only", None, "None"),
            ("setting", "costs.bps", "10", "5"),
            ("metric", "sharpe", None, "0.30000000000000004"),
        ]
        everything = log.compare([first.id, second.id], differing=False)
        assert set(frame["name"]) < set(everything["name"])
        assert ("setting", "fill", "next_open", "next_open") in everything.rows()
        assert ("metric", "days", "10.0", "10.0") in everything.rows()
        assert "environment" in everything["kind"]
        assert log.compare([first.id]).height == 0
        assert log.compare(np.array([2, 1])).equals(frame)
        with pytest.raises(InputError, match="`runs` must be different runs, received 1 twice"):
            log.compare([1, 1])
        with pytest.raises(InputError, match="There is no run 9"):
            log.compare([1, 9])

    def test_names_may_be_any_text(self, log):
        for name in ("a/b\\c..", "ünï ☃", "x" * 500, "'; drop table trials_runs; --", "%s {0} :a"):
            with log.run(name, params={name: name}, key=name) as run:
                run.metric(name + " metric", 1)
                run.tag(name, name)
            assert log.runs(name)[name].to_list() == [name]
            assert log.tags(run.id) == {name: name}
            assert log.trials(name, metric=name + " metric").values.tolist() == [1.0]

    def test_two_logs_see_each_other(self, log, place, clock):
        log.record(log.begin("s", kind="sweep"), [variant(0)])
        other = TrialLog(place, clock=clock)
        assert other.runs().equals(log.runs())
        other.record(1, [variant(1)])
        assert log.runs()["number"].to_list() == [0, 1]


@pytest.mark.parametrize(
    ("given", "error", "sentence"),
    [
        ({"study": " "}, InputError, "`study` must not be empty"),
        ({"study": "a\0"}, InputError, "`study` holds a character that no database stores"),
        ({"study": 3}, KindError, "`study` must be text, received int"),
        ({"kind": "grid"}, InputError, "`kind` must be one of sweep, walk_forward, single, received 'grid'"),
        ({"strategy": len}, KindError, "`strategy` must be the name of one"),
        ({"planned": -1}, InputError, "`planned` must be an integer >= 0, received -1"),
        ({"seed": 2**63}, InputError, "`seed` must lie in"),
        ({"planned": 2**63}, InputError, "`planned` must lie in"),
        ({"seed": 1.5}, KindError, "`seed` must be an integer"),
        ({"code_hash": ""}, InputError, "`code_hash` must not be empty"),
        ({"settings": [1]}, KindError, "are given by name, received list"),
    ],
)
def test_a_batch_that_cannot_be(tmp_path, given, error, sentence):
    log = TrialLog(tmp_path)
    with pytest.raises(error, match=sentence):
        log.begin(**{"study": "s", "kind": "sweep", **given})
    assert log.studies().height == 0


@pytest.mark.parametrize(
    ("run", "error", "sentence"),
    [
        ({"key": "k"}, KindError, "`runs` must be Run objects, received dict"),
        (Run(key=""), InputError, "The key of a run must not be empty"),
        (Run(key=["k"]), KindError, "The key of a run must be text"),
        (Run(key="k", status="ok"), InputError, "The status of a run must be one of running, done, abandoned, failed"),
        (Run(key="k", number=-1), InputError, "`number` must be an integer >= 0"),
        (Run(key="k", started=datetime(2024, 1, 1)), KindError, "`started` must be a moment with a time zone"),
        (Run(key="k", duration=math.nan), InputError, "`duration` must be a finite number"),
        (Run(key="k", params=[1]), KindError, "are given by name, received list"),
        (Run(key="k", params={3: 1}), KindError, "The name of a parameter must be text, received int"),
        (Run(key="k", params={"\ud800": 1}), InputError, "The name of a parameter holds a character"),
        (Run(key="k", metrics={"": 1}), InputError, "The name of a metric must not be empty"),
        (Run(key="k", metrics={"m": np.zeros(2)}), KindError, "Metric m must be a number"),
        (Run(key="k", metrics={"m": 10**400}), InputError, "Metric m is not a number that a float can hold"),
        (Run(key="k", metrics={"m": 1j}), KindError, "Metric m must be a number"),
    ],
)
def test_a_run_that_cannot_be(tmp_path, run, error, sentence):
    log = TrialLog(tmp_path)
    batch = log.begin("s", kind="sweep")
    with pytest.raises(error, match=sentence):
        log.record(batch, [Run(key="fine"), run])
    assert log.runs().height == 0


def test_runs_come_as_several(tmp_path):
    log = TrialLog(tmp_path)
    batch = log.begin("s", kind="sweep")
    for given in (Run(key="k"), 3):
        with pytest.raises(KindError, match=r"`runs` must be several Run objects, received \w+\. Hint: `\[run\]`"):
            log.record(batch, given)

    def made():
        for number in range(3):
            # Whoever makes runs as they are asked for may use the log meanwhile: nothing is locked.
            log.tag("s", number=str(number))
            yield Run(key=str(number))

    log.record(batch, made())
    assert log.runs().height == 3


def test_the_key_knows_what_changes_a_number():
    about = {"code_hash": "c", "data_hash": "d"}
    frame = pl.DataFrame({"x": range(1000)})
    keys = [
        run_key({"a": 1}, **about),
        run_key({"a": 2}, **about),
        run_key({"a": 1.0}, **about),
        run_key({"a": "1"}, **about),
        run_key({"b": 1}, **about),
        run_key({"a": 1}, code_hash="x", data_hash="d"),
        run_key({"a": 1}, code_hash="c", data_hash="x"),
        run_key({"a": 1}, **about, settings={"costs": Costs(slippage=Bps(5))}),
        run_key({"a": 1}, **about, settings={"costs": Costs(slippage=Bps(6))}),
        run_key({"a": 1}, **about, seed=0),
        # Their repr is the same: it leaves the middle out.
        run_key({"a": frame}, **about),
        run_key({"a": frame.with_columns(x=pl.col("x").replace(500, 0))}, **about),
        run_key({"a": np.arange(5000)}, **about),
        run_key({"a": np.where(np.arange(5000) == 2500, 0, np.arange(5000))}, **about),
        run_key({"a": lambda bars: bars}, **about),
    ]
    assert len(set(keys)) == len(keys)
    assert keys[0] == run_key({"a": np.int64(1)}, **about, settings={})
    assert keys[10] == run_key({"a": pl.DataFrame({"x": range(1000)})}, **about)
    assert run_key({"a": 1, "b": (2, 3)}, **about) == run_key({"b": [2, 3], "a": 1}, **about)


def test_a_target_of_another_kind(tmp_path):
    log = TrialLog(tmp_path)
    batch = log.begin("s", kind="sweep")
    with pytest.raises(KindError, match="`batch` must be an integer >= 1, received 's'"):
        log.end("s")
    with pytest.raises(KindError, match="`older_than` must be a timedelta, received 3"):
        log.abandon(older_than=3)
    with pytest.raises(KindError, match=r"Tags and notes hang on a run \(its number\) or a study"):
        log.tag(batch, a="b")
    with pytest.raises(KindError, match=r"Artifacts hang on a run \(its number\) or a Batch, received 's'"):
        log.artifact("s", b"x", name="x")
