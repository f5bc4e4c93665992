"""Figures of a sweep: the numbers that are drawn, what marks them, and what is refused."""

import json

import numpy as np
import polars as pl
import pytest

from quantlab.core import InputError, KindError
from quantlab.study._cells import best_of, cells, scale_of
from quantlab.study._draws import random_grid
from quantlab.study._figures import heatmap, marginal_figure, parallel_coordinates
from quantlab.study._grid import product
from quantlab.study._levels import levels_of
from quantlab.study._measures import Measure, measure
from quantlab.study._space import integers, log_uniform, uniform

ALL = [
    lambda table, parameters, metric="sharpe": heatmap(table, parameters, "a", "b", metric),
    marginal_figure,
    parallel_coordinates,
]
EACH = pytest.mark.parametrize("draw", ALL, ids=["heatmap", "marginal", "parallel"])


def table_of(grid, sharpe, **columns):
    rows = list(product(grid)) if isinstance(grid, dict) else list(grid)
    return pl.DataFrame(
        {"variant": range(len(rows))}
        | {name: [row[name] for row in rows] for name in rows[0]}
        | {"status": ["failed" if value is None else "done" for value in sharpe]}
        | {"sharpe": pl.Series(sharpe, dtype=pl.Float64)}
        | columns
    )


def sweep():
    """Two by three by two; (1, 9) failed twice, (2, 5, "y") once, (2, 9) was not tried."""
    grid = product({"a": [1, 2], "b": [5, 7, 9], "c": ["x", "y"]}).where(lambda a, b: (a, b) != (2, 9))
    return table_of(grid, [0.1, 0.3, -0.5, 0.7, None, None, 1.0, None, 0.2, 0.6])


NAMES = ["a", "b", "c"]


def text_of(figure):
    return figure.layout.title.text, figure.layout.title.subtitle.text


class TestHeatmap:
    def test_cells_by_hand(self):
        figure = heatmap(sweep(), NAMES, "a", "b")
        expected = np.array([[0.2, 1.0], [0.1, 0.4], [np.nan, np.nan]])
        assert figure.data[0].z == pytest.approx(expected, nan_ok=True)
        assert figure.layout.xaxis.ticktext == ("1", "2")
        assert figure.layout.yaxis.ticktext == ("5", "7", "9")
        assert (figure.layout.xaxis.title.text, figure.layout.yaxis.title.text) == ("a", "b")
        title, note = text_of(figure)
        assert title == "Sharpe ratio by b and a"
        assert note == (
            "Mean over c. Outlined: the best cell, chosen among 10 variants and not corrected for that. "
            "Crosses: no variant has a value."
        )

    @pytest.mark.parametrize(
        ("reduce", "expected"),
        [
            ("median", [[0.2, 1.0], [0.1, 0.4], [None, None]]),
            ("min", [[0.1, 1.0], [-0.5, 0.2], [None, None]]),
            ("max", [[0.3, 1.0], [0.7, 0.6], [None, None]]),
            ("std", [[0.02**0.5, None], [0.72**0.5, 0.08**0.5], [None, None]]),
            ("count", [[2, 1], [2, 2], [None, None]]),
        ],
    )
    def test_reductions(self, reduce, expected):
        figure = heatmap(sweep(), NAMES, "a", "b", reduce=reduce)
        assert figure.data[0].z == pytest.approx(np.array(expected, dtype=float), nan_ok=True)
        assert bool(figure.layout.shapes) == (reduce in ("median", "min", "max"))

    def test_failed_cells_have_crosses_and_untried_ones_nothing(self):
        figure = heatmap(sweep(), NAMES, "a", "b")
        crosses = figure.data[1]
        assert (crosses.x.tolist(), crosses.y.tolist()) == ([0], [2])
        assert crosses.customdata[0] == "a 1<br>b 9<br>2 without a value"
        assert figure.data[0].hoverongaps is False
        assert figure.layout.plot_bgcolor != figure.layout.paper_bgcolor
        assert len(heatmap(sweep().filter(pl.col("status") == "done"), NAMES, "a", "b").data) == 1

    def test_what_the_mouse_reads(self):
        told = heatmap(sweep(), NAMES, "a", "b").data[0].customdata
        assert told[0][0] == "a 1<br>b 5<br>mean of 2: Sharpe ratio 0.20"
        assert told[0][1] == "a 2<br>b 5<br>Sharpe ratio 1.00<br>1 without a value"
        assert told[2][1] == "a 2<br>b 9"

    def test_the_best_cell_is_outlined(self):
        shapes = heatmap(sweep(), NAMES, "a", "b").layout.shapes
        # White below ink, so that it shows on any color.
        assert [(s.x0, s.x1, s.y0, s.y1) for s in shapes] == [(0.5, 1.5, -0.5, 0.5)] * 2
        assert shapes[0].line.width > shapes[1].line.width
        less = sweep().with_columns(volatility=pl.col("sharpe"))
        shape = heatmap(less, NAMES, "a", "b", "volatility").layout.shapes[0]
        assert (shape.x0, shape.y0) == (-0.5, 0.5)

    def test_numbers_are_written_in_percent_where_they_are_fractions(self):
        table = sweep().with_columns(cagr=pl.col("sharpe") / 10, max_drawdown_duration=pl.col("sharpe") * 100)
        figure = heatmap(table, NAMES, "a", "b", "cagr")
        assert figure.data[0].text[0] == ["2.0 %", "10.0 %"]
        assert figure.data[0].text[2] == ["", ""]
        assert figure.layout.coloraxis.colorbar.tickformat.endswith("%")
        assert heatmap(table, NAMES, "a", "b", "max_drawdown_duration").data[0].text[0] == ["20", "100"]
        assert heatmap(sweep(), NAMES, "a", "b").layout.coloraxis.colorbar.tickformat is None
        zero = sweep().with_columns(sharpe=-1e-9)
        assert heatmap(zero, NAMES, "a", "b").data[0].text[0][0] == "0.00"

    def test_facets(self):
        figure = heatmap(sweep(), NAMES, "a", "b", facet="c")
        maps = [trace for trace in figure.data if trace.type == "heatmap"]
        assert [note.text for note in figure.layout.annotations] == ["c x", "c y"]
        assert maps[0].z[0].tolist() == [0.1, 1.0]
        assert maps[1].z[1].tolist() == [0.7, 0.6]
        assert {trace.coloraxis for trace in maps} == {"coloraxis"}
        # The best of all panels stands in the first.
        assert {shape.xref for shape in figure.layout.shapes} == {"x"}
        assert text_of(figure)[1].startswith("Outlined")

    def test_many_facets_stand_in_rows(self):
        grid = {"a": [1, 2], "b": [1, 2], "c": list(range(5))}
        figure = heatmap(table_of(grid, [float(i) for i in range(20)]), NAMES, "a", "b", facet="c")
        # Names at the lowest panel of each column alone.
        named = [figure.layout[f"xaxis{n}"].title.text for n in ("", 2, 3, 4, 5)]
        assert named == [None, None, "a", "a", "a"]
        assert [figure.layout[f"yaxis{n}"].title.text for n in ("", 2, 3, 4, 5)] == ["b", None, None, "b", None]
        assert {shape.xref for shape in figure.layout.shapes} == {"x5"}
        with pytest.raises(InputError, match="`facet` must have at most 12 values, and c has 13"):
            heatmap(table_of(grid | {"c": list("abcdefghijklm")}, [0.0] * 52), NAMES, "a", "b", facet="c")

    def test_categories_and_bins(self):
        figure = heatmap(sweep(), NAMES, "c", "a")
        assert figure.layout.xaxis.ticktext == ("x", "y")
        grid = random_grid({"a": integers(21, 252), "b": uniform(0, 1)}, 100, seed=1)
        figure = heatmap(table_of(grid, [v["b"] for v in grid]), ["a", "b"], "a", "b")
        assert figure.data[0].z.shape == (8, 8)
        assert figure.layout.xaxis.ticktext[0].startswith("21<br>")
        assert " to " in figure.layout.yaxis.ticktext[0]
        assert figure.layout.xaxis.title.text == "a, from and to"

    def test_many_values_have_some_labels_and_no_numbers(self):
        grid = {"a": list(range(20)), "b": list(range(20))}
        figure = heatmap(table_of(grid, [float(i) for i in range(400)]), ["a", "b"], "a", "b")
        assert figure.data[0].text is None
        assert figure.layout.xaxis.ticktext == tuple(str(value) for value in range(0, 20, 2))
        assert figure.layout.xaxis.range == (-0.5, 19.5)

    def test_a_long_label_is_cut(self):
        table = table_of({"a": ["x" * 60, "y"], "b": [1]}, [0.1, 0.2])
        assert len(heatmap(table, ["a", "b"], "a", "b").layout.xaxis.ticktext[0]) == 24

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"x": "aa"}, "`x` must be a parameter of the sweep, received 'aa'. Hint: did you mean a"),
            ({"y": "lookback"}, "`y` must be a parameter.*it has a, b, c"),
            ({"facet": "zzz"}, "`facet` must be a parameter"),
            ({"y": "a"}, "`x`, `y` must be different parameters, received a, a"),
            ({"facet": "b"}, "`x`, `y`, `facet` must be different"),
            ({"metric": "sharp"}, "`metric` must be a metric of the sweep, received 'sharp'.*did you mean sharpe"),
            ({"reduce": "average"}, "`reduce` must be one of mean, median, min, max, std, count"),
        ],
    )
    def test_refuses(self, options, message):
        with pytest.raises(InputError, match=message):
            heatmap(sweep(), NAMES, **({"x": "a", "y": "b"} | options))


class TestScale:
    def test_two_sided_around_what_is_neutral(self):
        scale = scale_of(np.array([-0.2, np.nan, 0.6]), measure("sharpe"))
        assert (scale.low, scale.high) == (-0.6, 0.6)
        assert scale.colors[-1][1] == "#084a80"
        scale = scale_of(np.array([0.9, 1.5]), measure("profit_factor"))
        assert (scale.low, scale.high) == pytest.approx((0.5, 1.5))

    @pytest.mark.parametrize(
        ("values", "metric", "ends"),
        [
            ([0.2, 0.6], "sharpe", (0.2, 0.6)),
            ([-0.6, -0.2], "sharpe", (-0.6, -0.2)),
            ([-0.5, 0.5], "max_drawdown", (-0.5, 0.5)),
            ([0.3, 0.3], "sharpe", (-0.2, 0.8)),
            ([np.nan], "sharpe", (0.0, 1.0)),
        ],
    )
    def test_one_sided_otherwise(self, values, metric, ends):
        scale = scale_of(np.array(values), measure(metric))
        assert (scale.low, scale.high) == pytest.approx(ends)
        assert scale.colors[-1][1] == "#fde725"

    def test_the_last_color_is_that_of_the_best(self):
        more, less = (scale_of(np.array([0.1, 0.2]), measure(name)) for name in ("sharpe", "volatility"))
        assert [color for _, color in less.colors] == [color for _, color in reversed(more.colors)]
        assert [at for at, _ in less.colors] == pytest.approx([at for at, _ in more.colors])

    def test_lines_are_dark_enough_for_white(self):
        for values in ([-0.2, 0.6], [0.2, 0.6]):
            for _, color in scale_of(np.array(values), measure("sharpe"), lines=True).colors:
                channels = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
                assert np.dot([0.299, 0.587, 0.114], channels) < 215

    def test_the_best(self):
        value = np.array([[np.nan, 2.0], [1.0, 2.0]])
        assert best_of(value, measure("sharpe")) == (0, 1)
        assert best_of(value, measure("turnover")) == (1, 0)
        assert best_of(np.full((1, 1), np.nan), measure("sharpe")) is None

    def test_cells_add_up(self):
        table = sweep()
        axes = [levels_of(table, name) for name in ("b", "a", "c")]
        values = table["sharpe"].fill_null(np.nan).to_numpy()
        found = cells(values, *axes, "count")
        assert found.count.shape == (2, 3, 2)
        assert (found.count.sum(), found.missing.sum()) == (7, 3)


class TestMarginal:
    def test_by_hand(self):
        figure = marginal_figure(sweep(), NAMES)
        thin, thick, dots = figure.data[:3]
        assert figure.layout.annotations[0].text.startswith("<b>a</b><br>")
        # a = 1: 0.1, 0.3, -0.5, 0.7; a = 2: 1.0, 0.2, 0.6.
        assert dots.y.tolist() == pytest.approx([0.15, 0.6])
        assert (dots.y + thin.error_y.array).tolist() == pytest.approx([0.7, 1.0])
        assert (dots.y - thin.error_y.arrayminus).tolist() == pytest.approx([-0.5, 0.2])
        assert thick.error_y.array.tolist() == pytest.approx([0.5, 0.4])
        assert thick.error_y.thickness > thin.error_y.thickness
        assert dots.customdata[1] == "a 2<br>3 with a value, 1 without"
        assert text_of(figure) == (
            "Sharpe ratio by each parameter alone",
            "Dot: mean over all other parameters; thick: one standard deviation; thin: least to greatest. "
            "3 of 10 variants have no value.",
        )

    def test_means_of_a_category_are_not_joined(self):
        figure = marginal_figure(sweep(), NAMES)
        assert [trace.mode for trace in figure.data[2::3]] == ["lines+markers", "lines+markers", "markers"]

    def test_a_deviation_never_leaves_the_range(self):
        table = table_of({"a": [1], "b": [1, 2, 3, 4]}, [0.0, 0.0, 0.0, 1.0])
        thin, thick = marginal_figure(table, ["a", "b"]).data[:2]
        assert thick.error_y.arrayminus.tolist() == thin.error_y.arrayminus.tolist() == [0.25]
        assert thick.error_y.array.tolist() == [0.5]

    def test_all_panels_have_one_scale_and_fractions_percent(self):
        table = sweep().with_columns(cagr=pl.col("sharpe") / 10)
        figure = marginal_figure(table, NAMES, "cagr")
        assert {figure.layout[f"yaxis{n}"].matches for n in (2, 3)} == {"y"}
        assert figure.layout.yaxis.title.text == "Growth per year"
        assert figure.layout.yaxis.tickformat == ",.1~%"
        assert ".2%" in figure.data[2].hovertemplate

    def test_bins_say_so(self):
        grid = random_grid({"a": uniform(0, 1), "b": [1, 2]}, 60, seed=2)
        figure = marginal_figure(table_of(grid, [v["a"] for v in grid]), ["a", "b"])
        assert figure.layout.annotations[0].text.startswith("<b>a</b>, from and to<br>9")
        assert all("<br>" in label for label in figure.layout.xaxis.ticktext)


class TestParallel:
    def test_by_hand(self):
        table = table_of({"a": [1, 2], "b": ["x", "y"]}, [0.4, None, 0.1, 0.9])
        lines = parallel_coordinates(table, ["a", "b"])
        a, b, sharpe = lines.data[0].dimensions
        # From the worst to the best, so that nothing covers the best; those of one value beside each other.
        assert list(sharpe.values) == [0.1, 0.4, 0.9]
        assert a.values.tolist() == pytest.approx([0.8, 0.0, 1.2])
        assert b.values.tolist() == pytest.approx([-0.2, 0.2, 1.0])
        assert (a.ticktext, b.ticktext) == (("1", "2"), ("x", "y"))
        assert lines.data[0].line.color.tolist() == [0.1, 0.4, 0.9]
        assert text_of(lines) == ("Sharpe ratio of 3 variants", "1 of 4 have no value and are left out.")

    def test_where_less_is_better_the_least_is_last(self):
        table = table_of({"a": [1, 2, 3]}, [0.0] * 3, volatility=[0.2, 0.1, 0.3])
        drawn = parallel_coordinates(table, ["a"], "volatility").data[0]
        assert list(drawn.dimensions[1].values) == [0.3, 0.2, 0.1]
        assert drawn.dimensions[1].tickformat == ",.1~%"

    def test_many_numbers_stand_where_they_lie(self):
        space = {"top": uniform(0.1, 1), "decay": log_uniform(0.001, 10), "shift": integers(-50, 50)}
        grid = random_grid(space, 40, seed=3)
        drawn = parallel_coordinates(table_of(grid, [v["top"] for v in grid]), list(space)).data[0]
        top, decay, shift, sharpe = drawn.dimensions
        assert list(top.values) == list(sharpe.values)
        assert sorted(10 ** np.array(decay.values)) == pytest.approx(sorted(v["decay"] for v in grid))
        assert decay.label == "decay (log)"
        assert decay.ticktext == ("0.001", "0.01", "0.1", "1", "10")
        assert decay.tickvals == (-3, -2, -1, 0, 1)
        # Numbers below zero have no logarithm, whatever their range.
        assert sorted(shift.values) == sorted(v["shift"] for v in grid)


@EACH
class TestAll:
    def test_nothing_but_json_is_in_it(self, draw):
        figure = draw(sweep(), NAMES)
        assert json.loads(figure.to_json())["layout"]["paper_bgcolor"] == "#ffffff"

    def test_all_failed(self, draw):
        table = sweep().with_columns(status=pl.lit("failed"))
        figure = draw(table, NAMES)
        json.loads(figure.to_json())
        assert not figure.layout.shapes

    def test_one_variant(self, draw):
        json.loads(draw(table_of({"a": [1], "b": [2]}, [0.5]), ["a", "b"]).to_json())

    def test_refuses(self, draw):
        with pytest.raises(InputError, match="There is nothing to draw: 0 variants of 3 parameters"):
            draw(sweep().clear(), NAMES)
        with pytest.raises(InputError, match="There is nothing to draw: 10 variants of 0 parameters"):
            draw(sweep(), [])
        with pytest.raises(InputError, match=r"received 'sharp'.*did you mean sharpe"):
            draw(sweep(), NAMES, "sharp")
        with pytest.raises(InputError, match="`table` has no column d"):
            draw(sweep(), [*NAMES, "d"])
        with pytest.raises(KindError, match="`table` must be a Polars DataFrame"):
            draw({"a": 1}, NAMES)

    def test_the_table_is_not_changed(self, draw):
        table = sweep()
        draw(table, NAMES)
        assert table.equals(sweep())


def test_a_metric_of_the_users_own_is_called_by_its_name():
    assert measure("my_score") == Measure("my_score")
