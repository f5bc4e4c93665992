"""``quantlab data ...`` as a user meets it: what it prints, what it stores, how it ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from quantlab.cli import main
from quantlab.core.periods import sessions
from quantlab.data import Store

ROOT = Path(__file__).resolve().parents[2]
DAYS = sessions("XNYS", np.datetime64("2022-01-03"), np.datetime64("2023-12-29"))


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, 100 columns wide, with a folder `prices` of two symbols."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    (tmp_path / "prices").mkdir()
    for place, symbol in enumerate(("AAA", "BBB")):
        write(f"prices/{symbol}.csv", 20.0 * (place + 1) + np.arange(DAYS.size) / 16)
    return tmp_path


def write(path: str, close) -> None:
    pl.DataFrame({"Date": DAYS, "Close": close, "Volume": 1000}).write_csv(path)


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(["data", *arguments])
    out, err = capsys.readouterr()
    assert "Traceback" not in err
    assert "\x1b" not in out
    return code, " ".join(out.split()), err


def imported(capsys, name="d", path="prices", *options):
    code, out, err = run(capsys, "import", path, "--dataset", name, *options)
    assert (code, err) == (0, "")
    return out


def test_an_import_says_what_it_understood_and_asks(capsys, here):
    out = imported(capsys)
    for words in (
        "Close close currency per share, > 0",
        "(file name) symbol AAA.csv is AAA",
        f"2 files, {2 * DAYS.size:,} rows, {2 * DAYS.size:,} bars kept.",
        "Dates: %Y-%m-%d",
        "Bar: 1d (dates without times)",
        f"Calendar: XNYS (all {DAYS.size} dates are XNYS sessions)",
        "Adjusted: unknown",
        "Question: How were the prices adjusted?",
        "data: d is now version 1: 2 symbols, 2022-01-03 to 2023-12-29. Next: quantlab data check d",
    ):
        assert words in out
    assert Store("data").describe("d").source == "prices"


def test_an_import_with_findings_ends_with_3(capsys, here):
    (here / "prices" / "BBB.csv").write_text("Date,Close,Volume\n2022-01-03,5,1\n2022-01-04,0,1\n")
    (here / "prices" / "CCC.csv").write_text('{"Note": "Thank you for using us"}')
    code, out, _ = run(capsys, "import", "prices", "--dataset", "d")
    assert code == 3
    assert "Rejected: 1 row: 1 by rule price. They stand in table rejects, as found." in out
    assert "Not read: CCC.csv is no table but the answer of a server: 'Thank you for using us'." in out
    assert "d is now version 1" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["import", "nowhere", "--dataset", "d"], "There is no file or folder nowhere."),
        (["import", "prices", "--dataset", "a b"], "A dataset's name has letters"),
        (["import", "prices", "--dataset", "d", "--column", "close"], "--column needs the form close=Last"),
        (["import", "prices", "--dataset", "d", "--column", "close=Last"], "has no column 'Last'"),
        (["import", "prices", "--dataset", "d", "--update", "--replace"], "--update and --replace exclude each other"),
        (["import", "prices", "--dataset", "d", "--update"], "There is no dataset d in store data to update."),
        (["import", "prices", "--dataset", "d", "--time-zone", "NY"], "`time_zone` 'NY' is unknown"),
        (["check", "d"], "There is no dataset d"),
        (["check", "d", "--fail-on", "bad"], "--fail-on must be one of error, warning, info"),
        (["versions", "d"], "There is no dataset d"),
        (["compare", "d", "e"], "There is no dataset d"),
        (["pull", "d", "--source", "bloomberg"], "There is no source 'bloomberg'."),
        (["pull", "d", "--source", "samples:vix", "--symbols", ","], "--symbols names no symbol"),
        (["pull", "d", "--source", "samples:vix", "--symbols", "A", "--symbols-from", "f"], "exclude each other"),
        (["pull", "d", "--source", "samples:vix", "--symbols-from", "none.txt"], "none.txt cannot be read"),
        (["review", "d", "--accept", "--quarantine"], "exclude each other"),
    ],
)
def test_what_cannot_be_done_is_said_with_2(capsys, here, arguments, sentence):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.startswith("Error: ")
    assert not (here / "data").exists()


def test_an_import_twice_needs_a_word(capsys, here):
    imported(capsys)
    code, _, err = run(capsys, "import", "prices", "--dataset", "d")
    assert code == 2
    assert err == (
        "Error: Dataset d exists in store data.\n"
        "Hint: --update adds to it and corrects it, --replace writes it anew; its older versions stay in both.\n"
    )
    again = imported(capsys, "d", "prices", "--update")
    assert "d said all of this before: still version 1" in again
    assert "Replaced" not in again
    text = (here / "prices" / "AAA.csv").read_text().splitlines()
    day, close, volume = text[1].split(",")
    (here / "prices" / "AAA.csv").write_text("\n".join([text[0], f"{day},{float(close) + 1},{volume}", *text[2:]]))
    changed = imported(capsys, "d", "prices", "--update")
    assert "Replaced: 1 stored value; the version before has them still." in changed
    assert "d is now version 2" in changed
    write("prices/AAA.csv", np.arange(DAYS.size) / 16 + 30.0)
    assert f"Replaced: {DAYS.size} stored values; the version before" in imported(capsys, "d", "prices", "--update")
    assert "d is now version 4" in imported(capsys, "d", "prices", "--replace", "--adjusted", "none")


def test_every_option_of_reading_arrives(capsys, here):
    Path("odd.csv").write_bytes(
        "Tag;Kurs;Stück;Quelle\n06/09/2014;9,5;100;a\n07/09/2014;-999;100;a\n06/09/2014;1,5;7;b\n".encode("cp1252")
    )
    out = imported(
        capsys, "odd", "odd.csv", "--column", "date=Tag", "--column", "close=Kurs", "--column", "volume=Stück",
        "--separator", ";", "--decimal", ",", "--encoding", "cp1252", "--date-format", "%d/%m/%Y", "--symbol", "X",
        "--where", "Quelle=a", "--missing", "-999", "--calendar", "24/7", "--adjusted", "split", "--unit",
        "close=points", "--source", "me", "--note", "odd",
    )  # fmt: skip
    assert "Adjusted: split (as you said)" in out
    bars = Store("data").table("odd", "bars")
    assert bars.rows() == [(date(2014, 9, 6), "X", 9.5, 100.0), (date(2014, 9, 7), "X", None, 100.0)]
    facts = Store("data").describe("odd")
    assert (facts.source, facts.note, facts.fields["close"], facts.calendar) == ("me", "odd", "points", "24/7")


def test_a_tab_can_be_named(capsys, here):
    Path("tab.csv").write_text("Date\tClose\n2024-01-02\t5\n2024-01-03\t6\n")
    imported(capsys, "tab", "tab.csv", "--symbol", "T", "--separator", "\\t")


def spoil(capsys, name="d"):
    """A dataset with one spike of AAA on 2022-03-01."""
    close = 20.0 + np.arange(DAYS.size) / 16
    close[np.flatnonzero(DAYS == np.datetime64("2022-03-01"))] *= 1.5
    write("prices/AAA.csv", close)
    imported(capsys, name)


def test_a_check_lists_findings_and_ends_by_their_severity(capsys, here):
    spoil(capsys)
    code, out, _ = run(capsys, "check", "d")
    assert code == 0
    assert "Findings on d" in out
    assert "spike: AAA 2022-03-01: " in out
    assert run(capsys, "check", "d", "--fail-on", "warning")[0] == 3
    assert run(capsys, "check", "d", "--fail-on", "warning", "--rule", "gap")[0] == 0
    assert "2022-03-01" in run(capsys, "check", "d", "--rule", "spike", "--symbol", "AAA")[1]
    assert "nothing found" in run(capsys, "check", "d", "--rule", "spike", "--symbol", "BBB")[1]
    code, _, err = run(capsys, "check", "d", "--rule", "spyke")
    assert code == 2
    assert err.startswith("Error: There is no rule 'spyke'; there are action_no_bar, ")
    assert err.endswith("\nHint: did you mean spike?\n")


def test_a_check_of_rejected_rows_fails(capsys, here):
    (here / "prices" / "BBB.csv").write_text("Date,Close\n2022-01-03,5\n2022-01-04,0\n")
    run(capsys, "import", "prices", "--dataset", "d")
    code, out, _ = run(capsys, "check", "d")
    assert code == 3
    assert "price: BBB 2022-01-04: BBB.csv line 3" in out


def test_findings_as_files(capsys, here):
    spoil(capsys)
    run(capsys, "check", "d", "--csv", "found.csv")
    frame = pl.read_csv("found.csv")
    assert frame.filter(rule="spike").select("symbol", "date", "status").rows() == [("AAA", "2022-03-01", "open")]
    main(["data", "check", "d", "--json"])
    rows = json.loads(capsys.readouterr().out)
    assert [row["symbol"] for row in rows if row["rule"] == "spike"] == ["AAA"]
    code, _, err = run(capsys, "check", "d", "--csv", "prices/AAA.csv/x.csv")
    assert code == 2
    assert "cannot be written" in err


def test_a_decision_about_one_finding(capsys, here):
    spoil(capsys)
    where = ("--rule", "spike", "--symbol", "AAA", "--date", "2022-03-01")
    code, out, _ = run(capsys, "review", "d", *where, "--quarantine", "--note", "bad print")
    assert (code, out) == (0, "Decided: 1 quarantine. d is now version 2.")
    bars = Store("data").bars("d").close
    row = int(np.flatnonzero(bars.dates == np.datetime64("2022-03-01"))[0])
    assert np.isnan(bars.values[row, 0])
    assert run(capsys, "check", "d", "--rule", "spike", "--fail-on", "warning")[0] == 0
    assert "quarantine spike AAA 2022-03-01 2022-03-01 bad print" in run(capsys, "review", "d")[1]
    assert run(capsys, "review", "d", *where, "--quarantine", "--note", "bad print")[1].endswith("decided so before.")
    assert "1 accept" in run(capsys, "review", "d", *where, "--accept")[1]
    assert not np.isnan(Store("data").bars("d").close.values[row, 0])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--symbol", "AAB", "--date", "2022-03-01"], "Dataset d has no symbol AAB.\nHint: did you mean AAA?"),
        (["--rule", "spyke", "--date", "2022-03-01"], "There is no rule 'spyke'"),
        (["--symbol", "AAA"], "A decision needs its day."),
        (["--date", "03/01/2022"], "--date: a day is written 2014-05-19, received '03/01/2022'."),
    ],
)
def test_a_wrong_decision_is_refused(capsys, here, arguments, sentence):
    imported(capsys)
    code, out, err = run(capsys, "review", "d", *arguments, "--accept")
    assert (code, out) == (2, "")
    assert sentence in err
    assert Store("data").versions("d").height == 1


def test_decisions_by_file(capsys, here):
    spoil(capsys)
    assert "no decision was taken" in run(capsys, "review", "d")[1]
    _, out, _ = run(capsys, "review", "d", "--export", "todo.csv")
    assert "open findings. Write accept or quarantine" in out
    todo = pl.read_csv("todo.csv", infer_schema=False)
    assert todo.columns[:5] == ["decision", "note", "rule", "symbol", "date"]
    code, _, err = run(capsys, "review", "d", "--apply", "todo.csv")
    assert code == 2
    assert "todo.csv holds no decision" in err
    spike = pl.col("rule") == "spike"
    todo.with_columns(
        decision=pl.when(spike).then(pl.lit("Quarantine ")), note=pl.when(spike).then(pl.lit("by file"))
    ).write_csv("todo.csv")
    assert run(capsys, "review", "d", "--apply", "todo.csv")[1] == "Decided: 1 quarantine. d is now version 2."
    assert Store("data").table("d", "review").select("rule", "symbol", "start", "decision", "note").rows() == [
        ("spike", "AAA", date(2022, 3, 1), "quarantine", "by file")
    ]
    # What has been decided is no longer open.
    run(capsys, "review", "d", "--export", "todo.csv")
    assert pl.read_csv("todo.csv", infer_schema=False).filter(spike).height == 0


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("rule,symbol,date\nspike,AAA,2022-03-01\n", "todo.csv has no column `decision`"),
        (
            "decision,rule,symbol,date\nmaybe,spike,AAA,2022-03-01\n",
            "line 2: a decision is accept, quarantine or withdrawn",
        ),
        ("decision,rule,symbol,date\naccept,spyke,AAA,2022-03-01\n", "There is no rule 'spyke'"),
        ("decision,rule,symbol,date\naccept,spike,ZZZ,2022-03-01\n", "line 2: dataset d has no symbol ZZZ"),
        ("decision,rule,symbol,date\naccept,spike,AAA,March\n", "line 2: a day is written"),
        (
            "decision,rule,symbol,date\naccept,spike,AAA,2022-03-01\nquarantine,spike,AAA,2022-03-01\n",
            "todo.csv both accepts and quarantines spike of AAA 2022-03-01.",
        ),
        ("", "todo.csv cannot be read"),
    ],
)
def test_a_wrong_file_of_decisions_is_refused(capsys, here, content, sentence):
    imported(capsys)
    Path("todo.csv").write_text(content)
    code, _, err = run(capsys, "review", "d", "--apply", "todo.csv")
    assert code == 2
    assert sentence in err
    assert Store("data").versions("d").height == 1


def test_two_findings_on_a_bar_are_decided_together(capsys, here):
    imported(capsys)
    row = "accept,bad_tick,AAA,2022-03-01\n"
    Path("todo.csv").write_text(f"decision,rule,symbol,date\n{row}{row}")
    assert run(capsys, "review", "d", "--apply", "todo.csv")[0] == 2
    assert run(capsys, "review", "d", "--apply", "todo.csv", "--anyway")[0] == 0
    assert Store("data").table("d", "review").height == 1


def test_a_list_of_datasets(capsys, here):
    assert "Store data is empty" in run(capsys, "list")[1]
    imported(capsys)
    assert "d 2 1,002 2022-01-03 2023-12-29 1d unknown 1" in run(capsys, "list")[1]
    imported(capsys, "e", "prices", "--store", "other")
    assert "e 2 1,002" in run(capsys, "list", "--store", "other")[1]


def test_a_damaged_dataset_is_listed_as_such(capsys, here):
    imported(capsys)
    for path in (here / "data" / "d" / "versions").glob("*.json"):
        path.write_text("{}")
    code, out, _ = run(capsys, "list")
    assert code == 0
    assert "d: " in out
    assert "damaged" in out


def test_versions_and_prune(capsys, here):
    imported(capsys)
    imported(capsys, "d", "prices", "--replace", "--adjusted", "none")
    assert "1,002 2023-12-29" in run(capsys, "versions", "d")[1]
    # Version 1 is still in force at the start of any day before today.
    assert run(capsys, "prune", "d", "--before", "2020-01-01")[1] == "d: freed 0 versions and 0 files, 0.0 MiB."
    assert run(capsys, "prune", "d", "--before", "2100-01-01")[1].startswith("d: freed 1 versions and ")
    assert Store("data").versions("d")["version"].to_list() == [2]


def test_two_datasets_are_compared(capsys, here):
    imported(capsys, "one")
    spoil(capsys, "other")
    code, out, _ = run(capsys, "compare", "one", "other", "--csv", "days.csv")
    assert code == 0
    assert "a is one, b is other" in out
    assert "bad value in b 1 1" in out
    assert "AAA 2022-03-01 2022-03-01 close" in out
    assert pl.read_csv("days.csv")["symbol"].to_list() == ["AAA"]
    assert run(capsys, "compare", "one", "one")[1] == "one and one agree."
    assert run(capsys, "compare", "one", "other", "--symbol", "BBB")[1] == "one and other agree."


def test_a_pull_and_a_second_one(capsys, here):
    code, out, err = run(capsys, "pull", "vix", "--source", "samples:vix", "--end", "2018-02-02")
    assert (code, err) == (0, "")
    assert "vix version 1, sessions until 2018-02-02: 1 symbols, 0 up to date before, 0 failed; 1,029 rows added" in out
    code, out, _ = run(capsys, "pull", "vix", "--source", "samples:vix", "--end", "2018-02-09")
    assert (code, "5 rows added" in out) == (0, True)
    code, out, _ = run(capsys, "pull", "vix", "--source", "samples:vix", "--end", "2018-02-09")
    assert (code, "1 up to date before" in out) == (0, True)


def test_a_pull_names_what_failed_and_ends_with_3(capsys, here):
    Path("names.txt").write_text("AAA\nNONE # not there\n\n# BBB\n")
    arguments = ("pull", "d", "--source", "csv:prices", "--symbols-from", "names.txt", "--end", "2023-06-30")
    code, out, _ = run(capsys, *arguments)
    assert code == 3
    assert "NONE 1 prices has no NONE." in out
    assert Store("data").describe("d").symbols == ("AAA",)


def test_a_pull_shows_what_was_restated(capsys, here):
    arguments = ("pull", "d", "--source", "csv:prices", "--symbols", "AAA, BBB")
    run(capsys, *arguments, "--end", "2023-06-30")
    write("prices/AAA.csv", 10.0 + np.arange(DAYS.size) / 32)
    code, out, _ = run(capsys, *arguments, "--end", "2023-07-31", "--on-restated", "report")
    assert code == 3
    assert "Restated by the vendor" in out
    assert "AAA 2023-06-30 close" in out
    assert "left" in out
    assert run(capsys, *arguments, "--end", "2023-07-31")[0] == 3
    assert Store("data").bars("d", symbols="AAA").close.values[0, 0] == 10.0
    assert run(capsys, *arguments, "--end", "2023-07-31")[0] == 0


@pytest.mark.parametrize(
    "command", ["sample", "import", "pull", "check", "review", "list", "versions", "compare", "prune"]
)
def test_every_command_explains_itself(capsys, command):
    code = main(["data", command, "--help"])
    out = capsys.readouterr().out
    assert code == 0
    assert out.startswith(f"Usage: quantlab data {command}")
    assert "--store" in out


def test_the_exit_codes_stand_in_the_help(capsys):
    main(["--help"])
    out = " ".join(capsys.readouterr().out.split())
    assert "Exit codes: 0 done; 2 not done, and you can put it right" in out
    assert "3 done, with findings" in out


def test_a_real_process_ends_with_3_and_leaves_no_half(here):
    (here / "prices" / "BBB.csv").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "quantlab.cli", "data", "import", "prices", "--dataset", "d"],
        cwd=here,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert "BBB.csv is empty (0 bytes)" in done.stdout
    assert Store(here / "data").describe("d").symbols == ("AAA",)
    assert not list((here / "data").rglob("*.tmp"))


@pytest.mark.skipif("QUANTLAB_REAL_DATA" not in os.environ, reason="QUANTLAB_REAL_DATA names no folder of prices")
def test_what_a_new_user_types_first(capsys, here):
    folder = os.environ["QUANTLAB_REAL_DATA"]
    out = imported(capsys, "us", f"{folder}/us_equity_av_raw_1999_2021.parquet")
    assert "Adjusted: none (2,402,381 of 2,402,387 steps of the adjusted close follow from the close" in out
    assert "27,729 dividends, 473 splits" in out
    code, out, _ = run(capsys, "check", "us")
    assert code == 3
    assert "split_no_move" in out
    for name, file in (("kaggle", "sp500_kaggle5yr_2013_2018"), ("wiki", "sp500_wiki_adj_2013_2018")):
        imported(capsys, name, f"{folder}/{file}.parquet")
        assert run(capsys, "check", name)[0] in (0, 3)
    code, out, _ = run(capsys, "compare", "kaggle", "wiki")
    assert code == 0
    assert "bad value in a" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--rule", "spike", "--symbol", "AAA", "--date", "2022-03-02"],
            "Error: There is no finding of rule spike at AAA 2022-03-02 in d.\n"
            "Hint: the nearest are on 2022-03-01; --anyway decides all the same.\n",
        ),
        (
            ["--symbol", "BBB", "--date", "2022-03-01", "--end", "2022-03-04"],
            "Error: There is no finding at BBB 2022-03-01 to 2022-03-04 in d.\nHint: --anyway decides all the same.\n",
        ),
        (["--rule", "stale", "--date", "2022-03-01"], "There is no finding of rule stale on 2022-03-01 in d."),
    ],
)
def test_a_decision_about_nothing_is_refused(capsys, here, arguments, sentence):
    spoil(capsys)
    for decision in ("--accept", "--quarantine"):
        code, _, err = run(capsys, "review", "d", *arguments, decision)
        assert code == 2
        assert sentence in err
    assert Store("data").versions("d").height == 1
    assert run(capsys, "review", "d", *arguments, "--quarantine", "--anyway")[0] == 0
    assert Store("data").versions("d").height == 2


def test_an_acceptance_says_what_keeps_the_bar_away(capsys, here):
    spoil(capsys)
    where = ("--symbol", "AAA", "--date", "2022-03-01")
    run(capsys, "review", "d", "--rule", "spike", *where, "--quarantine")
    out = run(capsys, "review", "d", *where, "--accept")[1]
    assert out == "Decided: 1 accept. d is now version 3. AAA 2022-03-01: still quarantined by rule spike."
    out = run(capsys, "review", "d", "--rule", "spike", *where, "--accept")[1]
    assert out == "Decided: 1 accept. d is now version 4."


def test_a_decision_can_be_taken_back(capsys, here):
    spoil(capsys)
    where = ("--rule", "spike", "--symbol", "AAA", "--date", "2022-03-01")
    before = Store("data").bars("d").content_hash
    code, _, err = run(capsys, "review", "d", *where, "--withdraw")
    assert (code, err.splitlines()[0]) == (2, "Error: Nothing was decided about rule spike at AAA 2022-03-01.")
    run(capsys, "review", "d", *where, "--quarantine")
    assert Store("data").bars("d").content_hash != before
    err = run(capsys, "review", "d", *where[2:], "--withdraw")[2]
    assert "there the decisions are about --rule spike" in err
    assert run(capsys, "review", "d", *where, "--withdraw")[1] == "Decided: 1 withdrawn. d is now version 3."
    assert Store("data").bars("d").content_hash == before
    assert "spike" in run(capsys, "check", "d", "--symbol", "AAA")[1]
    assert run(capsys, "review", "d", *where, "--withdraw")[0] == 2


def test_decisions_of_a_spreadsheet_with_semicolons(capsys, here):
    spoil(capsys)
    Path("todo.csv").write_text("decision;rule;symbol;date;note\naccept;spike;AAA;2022-03-01;seen, and so\n")
    assert run(capsys, "review", "d", "--apply", "todo.csv")[1] == "Decided: 1 accept. d is now version 2."
    assert Store("data").table("d", "review")["note"].to_list() == ["seen, and so"]


def test_a_check_refuses_what_is_not_there_and_says_what_is(capsys, here):
    spoil(capsys)
    code, _, err = run(capsys, "check", "d", "--symbol", "AAB")
    assert (code, err) == (2, "Error: Dataset d has no symbol AAB.\nHint: did you mean AAA?\n")
    out = run(capsys, "check", "d", "--symbol", "AAA", "--rule", "gap")[1]
    assert out.startswith("d: nothing found for what you asked; other rules or symbols have ")


def test_where_nobody_looks_rows_are_not_broken(capsys, here, monkeypatch):
    spoil(capsys)
    monkeypatch.delenv("COLUMNS")
    main(["data", "check", "d", "--all"])
    lines = capsys.readouterr().out.splitlines()
    assert 100 < max(len(text.rstrip()) for text in lines) <= 160
    row = next(text for text in lines if text.lstrip().startswith("spike") and "open" in text)
    assert "AAA" in row
    assert "2022-03-01" in row


def test_dates_and_numbers_never_wrap(capsys, here, monkeypatch):
    spoil(capsys)
    monkeypatch.setenv("COLUMNS", "60")
    main(["data", "check", "d", "--all"])
    lines = capsys.readouterr().out.splitlines()
    row = next(text for text in lines if text.lstrip().startswith("spike") and "open" in text)
    assert "2022-03-01" in row


def test_a_comparison_after_adjustment(capsys, here):
    imported(capsys, "one", "prices", "--adjusted", "split")
    imported(capsys, "other", "prices", "--adjusted", "total_return")
    out = run(capsys, "compare", "one", "other", "--adjust", "total_return")[1]
    assert out.startswith("one is compared as it is stored: Dataset one has no corporate actions")
    assert out.endswith("one and other agree.")
    Store("data").update("one", actions=pl.DataFrame(
        {"symbol": ["AAA"], "date": [date(2022, 3, 1)], "kind": ["dividend"], "value": [1.0]}
    ))  # fmt: skip
    assert "adjustment" in run(capsys, "compare", "one", "other", "--adjust", "total_return")[1]
    assert run(capsys, "compare", "one", "other", "--adjust", "total_return", "--symbol", "BBB")[1].endswith("agree.")
    assert "--adjust must be one of" in run(capsys, "compare", "one", "other", "--adjust", "all")[2]
    code, _, err = run(capsys, "compare", "one", "other", "--symbol", "AAC")
    assert (code, err) == (2, "Error: Of one and other none has symbol AAC.\nHint: did you mean AAA?\n")


def test_what_was_committed_on_the_day_of_a_prune_stays(capsys, here):
    moment = datetime(2024, 5, 1, 10, tzinfo=UTC)
    for hours in (0, 1, 48):
        store = Store("data", clock=lambda hours=hours: moment + timedelta(hours=hours))
        store.write(
            "d", pl.DataFrame({"date": DAYS, "symbol": "A", "close": 5.0 + hours}), calendar="XNYS", adjusted="none"
        )
    assert run(capsys, "prune", "d", "--before", "2024-05-01", "--dry-run")[1] == "d: would free 0 versions."
    assert "freed 0 versions" in run(capsys, "prune", "d", "--before", "2024-05-01")[1]
    assert run(capsys, "prune", "d", "--before", "2024-05-03", "--dry-run")[1] == "d: would free 1 version: 1."
    assert Store("data").versions("d").height == 3
    assert "freed 1 versions" in run(capsys, "prune", "d", "--before", "2024-05-03")[1]
    assert Store("data").versions("d")["version"].to_list() == [2, 3]
    assert "must be a date" in run(capsys, "prune", "d", "--before", "yesterday")[2]


def test_a_wide_table_by_its_option(capsys, here):
    pl.DataFrame({"Date": DAYS, "AAA": 5.0, "BBB": 6.0}).write_csv("wide.csv")
    code, _, err = run(capsys, "import", "wide.csv", "--dataset", "d")
    assert (code, "--wide close" in err) == (2, True)
    imported(capsys, "d", "wide.csv", "--wide", "close")
    assert Store("data").describe("d").symbols == ("AAA", "BBB")
