"""docs/behaviour.md has a row for every knob of the engine, with the default that the code has.

A heading of the third level names, in backticks, the classes and functions whose knobs the table below it holds. The
first cell of a row is the knob in backticks; the second its default: an expression in backticks, or the word
"required".
"""

from __future__ import annotations

import dataclasses
import inspect
import re

import pytest

from quantlab import backtest, execution, portfolio

NAMES = {name: getattr(room, name) for room in (execution, portfolio, backtest) for name in room.__all__}


def public_owners():
    """Every value class, every function of the engine, and what an event strategy can call: name -> callable."""
    found = {
        name: owner
        for name, owner in NAMES.items()
        if inspect.isfunction(owner) or (inspect.isclass(owner) and dataclasses.is_dataclass(owner))
    }
    # A score becomes weights before the engine; a result is what comes out of it.
    del found["long_short"], found["Result"]
    methods = vars(backtest.Context).items()
    return found | {
        f"Context.{name}": method for name, method in methods if inspect.isfunction(method) and name[0] != "_"
    }


def knobs_of(owner):
    """Name -> default of every argument; classes by their fields, so that none hides behind ``*args``."""
    found = {name: each.default for name, each in inspect.signature(owner).parameters.items() if name != "self"}
    if inspect.isclass(owner):
        fields = [field.name for field in dataclasses.fields(owner)]
        # Tiers(*bands): the one argument is the one field.
        return found if set(found) == set(fields) else dict.fromkeys(fields, inspect.Parameter.empty)
    return {name: default for name, default in found.items() if name != "terms"}  # those of Context.order, passed on


def rows_of(text):
    """(owner, knob) -> default as it stands in the page; a row that stands there twice raises."""
    found, owners = {}, []
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("#"):
            owners = re.findall(r"`([\w.]+)`", line) if line.startswith("### ") else []
        elif owners and line.startswith("| `"):
            knob, default = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:3])
            for owner in owners:
                key = owner, knob.strip("`")
                assert key not in found, f"line {number}: {owner} {knob} has two rows."
                found[key] = default
    return found


def differences(text):
    """Return a sentence for everything that the page and the code disagree on."""
    rows, found = rows_of(text), []
    knobs = {name: knobs_of(owner) for name, owner in public_owners().items()}
    wanted = {(name, knob): default for name, each in knobs.items() for knob, default in each.items()}
    found += [f"{owner} {knob} has no row." for owner, knob in wanted.keys() - rows.keys()]
    found += [f"{owner} {knob} has a row, and the code no such knob." for owner, knob in rows.keys() - wanted.keys()]
    for key in sorted(wanted.keys() & rows.keys()):
        real = "required" if wanted[key] is inspect.Parameter.empty else repr(wanted[key])
        if written(rows[key]) != real:
            found.append(f"{key[0]} {key[1]}: the page says {rows[key]}, the code {real}.")
    return sorted(found)


def written(cell):
    """The default that a cell states, as ``repr`` shows it."""
    if cell == "required":
        return cell
    try:
        return repr(eval(cell.strip("`"), dict(NAMES)))
    except Exception as error:  # a cell that is no expression states no default
        return f"no expression ({error})"


@pytest.fixture(scope="module")
def page(root):
    return (root / "docs" / "behaviour.md").read_text("utf-8")


def test_the_page_has_every_knob_with_its_default(page):
    assert not differences(page), "docs/behaviour.md:\n" + "\n".join(differences(page))


def test_the_owners_are_discovered():
    owners = public_owners()
    assert {"simulate", "simulate_orders", "run_events", "Account", "RegT", "Fill", "Rebalancing"} <= set(owners)
    assert knobs_of(execution.Tiered) == {"tiers": inspect.Parameter.empty}
    assert knobs_of(execution.Account)["lot"] == 1.0
    assert len({(name, knob) for name, owner in owners.items() for knob in knobs_of(owner)}) > 130


@pytest.mark.parametrize("knob", ["participation", "maintenance_short", "buying_power", "untradable"])
def test_a_missing_row_is_seen(page, knob):
    lines = [line for line in page.splitlines() if not line.startswith(f"| `{knob}`")]
    assert any(f"{knob} has no row." in sentence for sentence in differences("\n".join(lines)))


def test_another_default_is_seen(page):
    assert "| `maintenance_short` | `0.3` |" in page
    changed = page.replace("| `maintenance_short` | `0.3` |", "| `maintenance_short` | `0.4` |")
    assert differences(changed) == ["RegT maintenance_short: the page says `0.4`, the code 0.3."]


def test_a_row_without_a_knob_is_seen(page):
    changed = page.replace("| `participation` | `None` |", "| `cap` | `None` |")
    assert differences(changed) == ["Fill cap has a row, and the code no such knob.", "Fill participation has no row."]


def test_a_row_that_stands_twice_is_refused(page):
    line = next(line for line in page.splitlines() if line.startswith("| `participation` |"))
    with pytest.raises(AssertionError, match="two rows"):
        rows_of(page.replace(line, f"{line}\n{line}"))
