"""Bad files: each is named in a sentence, the others are taken, and nothing half-read is stored."""

from __future__ import annotations

import gzip
import os
import socket
from datetime import date

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quantlab.core import DataError, InputError, QuantlabError, StoreError
from quantlab.data import Store
from quantlab.data.ingestion._import import ingest

GOOD = "Date,Open,High,Low,Close,Volume\n2024-01-02,1,2,1,2,100\n2024-01-03,2,3,2,3,200\n2024-01-04,3,4,3,4,300\n"


@pytest.fixture
def folder(tmp_path):
    """A folder of prices with one good file, GOOD.csv."""
    (tmp_path / "prices").mkdir()
    (tmp_path / "prices" / "GOOD.csv").write_text(GOOD)
    return tmp_path / "prices"


def taken(folder, **options):
    store = Store(folder.parent / "store")
    report = ingest(folder, store=store, dataset="d", **options)
    return report, store


def put(folder, name, content):
    if isinstance(content, str):
        content = content.encode()
    (folder / name).write_bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("A.csv", "", "A.csv is empty (0 bytes)."),
        ("A.csv", " \n\n", "A.csv is empty (blanks alone)."),
        ("A.csv", "Date,Close\n", "A.csv has a header and no rows."),
        ("A.parquet", "", "A.parquet is empty (0 bytes)."),
        ("A.parquet", "PAR1 and so on", "A.parquet is cut off: a Parquet file ends in PAR1."),
        ("A.parquet", "hello, world", "A.parquet is no Parquet file: it begins with b'hell'."),
        ("A.parquet", "PAR1nothing at all in herePAR1", "A.parquet is damaged: "),
        (
            "A.csv",
            '{"Note": "Thank you for using Alpha Vantage! Our standard API rate limit is 25 requests per day."}',
            "A.csv is no table but the answer of a server: 'Thank you for using Alpha Vantage!",
        ),
        (
            "A.csv",
            '{\n    "Error Message": "Invalid API call. Please retry"\n}',
            "A.csv is no table but the answer of a server: 'Invalid API call. Please retry'",
        ),
        ("A.csv", '{"chart": {"error": {"description": "No data found"}}}', "the answer of a server: 'No data found'"),
        ("A.csv", "[1, 2", "A.csv is no table but JSON of a server."),
        (
            "A.csv",
            "<html><head><title>429 Too Many Requests</title></head></html>",
            "A.csv is no table but a web page: '429 Too Many Requests'.",
        ),
        (
            "A.csv",
            "Thank you for using our service\nplease subscribe\n",
            "A.csv does not begin with the names of columns: line 1 is 'Thank you for using our service'.",
        ),
        (
            "A.csv",
            "2024-01-02,1,2\n2024-01-03,1,2\n",
            "does not begin with the names of columns: line 1 is '2024-01-02",
        ),
        ("A.csv", "Date,Open,High\n2024-01-02,1,2\n", "A.csv has no column for close; it has Date, Open, High."),
        ("A.csv", "When,Close\n2024-01-02,1\n", "A.csv has no column for date; it has When, Close."),
        ("A.csv", "Date,Close,Last\n2024-01-02,1,2\n", "A.csv has 2 columns for close: Close, Last."),
        ("A.csv", "Date,Close,Close\n2024-01-02,1,2\n", "A.csv has two columns called 'Close'."),
        ("A.csv", "Date,Close\n2024-01-02,5 \xe9\n".encode("latin-1"), "is not utf-8 text: byte 0xe9 on line 2."),
        ("A.csv", "Date,Close\n2024-01-02,5\n".encode("utf-16-le"), "A.csv is no text: it holds zero bytes (line 1)."),
        ("A.csv", "PK\x03\x04 and the rest of an archive", "A.csv is a zip archive."),
        (
            "A.csv",
            "Price,Close,High\nTicker,AAPL,AAPL\nDate,,\n2024-01-02,1,2\n",
            "the three header lines of a yfinance",
        ),
        ("A.csv", "Date,Close\n06/09/2014,5\n06/10/2014,6\n", "has dates like 06/09/2014, in which day and month"),
        ("A.csv", "Date,Close\n13/09/2014,5\n06/13/2014,6\n", "A.csv mixes two orders of day and month"),
        ("A.csv", "Date,Close\n2024-01-02 09:30,5\n2024-01-02 09:31,6\n", "A.csv has times without a time zone"),
        (
            "A.csv",
            "Date,Close\n2024-01-02 09:30-05:00,5\n2024-01-02 09:31,6\n",
            "A.csv mixes times with a UTC offset (2024-01-02 09:30-05:00) and without (2024-01-02 09:31).",
        ),
        ("A.csv", 'Date,Close\n2024-01-02,"5\n2024-01-03,6\n', "A.csv cannot be read from line 2 on"),
        ("A.csv", "Date;Close\n2024-01-02;1,234\n2024-01-03;5,678\n", "the comma may stand before decimals or between"),
        (
            "A.csv",
            "Date,Close\n2024-01-02T10:00Z,5\n2024-01-02T10:01Z,6\n",
            "A.csv has clock times, and the files before",
        ),
    ],
)
def test_a_bad_file_is_named_and_the_others_are_taken(folder, name, content, sentence):
    # The good one sorts before it: what kind of dates a folder holds, its first file says.
    name = f"Z{name}"
    put(folder, name, content)
    report, store = taken(folder)
    assert [file.source for file in report.unread] == [name]
    assert sentence.replace("A.csv", "ZA.csv").replace("A.parquet", "ZA.parquet") in report.unread[0].reason
    assert not report.clean
    assert store.describe("d").symbols == ("GOOD",)
    assert store.table("d", "bars").height == 3


def test_a_truncated_parquet_file_at_any_length(folder):
    pl.DataFrame({"date": [date(2024, 1, 2)] * 50, "close": 1.0}).write_parquet(folder / "Z.parquet")
    whole = (folder / "Z.parquet").read_bytes()
    for cut in range(0, len(whole), 37):
        put(folder, "Z.parquet", whole[:cut])
        report = ingest(folder, store=Store(folder.parent / f"store{cut}"), dataset="d")
        assert [file.source for file in report.unread] == ["Z.parquet"]
        assert report.bars == 3


def test_types_that_are_no_prices_or_dates_are_refused(folder):
    pl.DataFrame({"date": [date(2024, 1, 2)], "close": [True]}).write_parquet(folder / "Z1.parquet")
    pl.DataFrame({"date": [date(2024, 1, 2)], "close": [[1.0]]}).write_parquet(folder / "Z2.parquet")
    pl.DataFrame({"date": [True], "close": [1.0]}).write_parquet(folder / "Z3.parquet")
    report, _ = taken(folder)
    assert [file.reason for file in report.unread] == [
        "Z1.parquet: column close holds Boolean and not numbers.",
        "Z2.parquet: column close holds List(Float64) and not numbers.",
        "Z3.parquet: column date holds Boolean and not dates.",
    ]


def test_what_is_no_file_is_passed_by(folder):
    (folder / "DIR.csv").mkdir()
    (folder / "GONE.csv").symlink_to(folder / "nowhere")
    os.mkfifo(folder / "PIPE.csv")
    with socket.socket(socket.AF_UNIX) as end:
        end.bind(str(folder / "S.csv"))
        report, _ = taken(folder)
    assert {file.source: file.reason for file in report.unread} == {
        "GONE.csv": "GONE.csv is a link to nothing.",
        "PIPE.csv": "PIPE.csv is no regular file.",
        "S.csv": "S.csv is no regular file.",
    }
    assert any("DIR.csv/" in note for note in report.notes)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read(folder):
    put(folder, "Z.csv", GOOD)
    (folder / "Z.csv").chmod(0)
    report, _ = taken(folder)
    assert report.unread[0].reason == "Z.csv cannot be read: Permission denied."


def test_a_file_that_the_system_refuses(folder, monkeypatch):
    from pathlib import Path

    put(folder, "Z.csv", GOOD)
    read = Path.read_bytes

    def refused(path):
        if path.name == "Z.csv":
            raise PermissionError(13, "Permission denied")
        return read(path)

    monkeypatch.setattr(Path, "read_bytes", refused)
    report, _ = taken(folder)
    assert report.unread[0].reason == "Z.csv cannot be read: Permission denied."


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + GOOD,
        GOOD.replace(",", ";"),
        GOOD.replace(",", "\t"),
        GOOD.replace(",", "|"),
        GOOD.replace("\n", "\r\n"),
        GOOD.replace("\n", "\r"),
        "\n\n" + GOOD.replace("\n", "\n\n"),
        GOOD.rstrip("\n"),
        "\n".join(f"{line}," for line in GOOD.splitlines()),
        "\n".join(",".join(f'"{field}"' for field in line.split(",")) for line in GOOD.splitlines()),
        "Close,Volume,Date,Low,High,Open\n2,100,2024-01-02,1,2,1\n3,200,2024-01-03,2,3,2\n4,300,2024-01-04,3,4,3\n",
        ("\ufeff" + GOOD).encode("utf-16-le"),
        "<DATE>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>\n20240102,1,2,1,2,100\n20240103,2,3,2,3,200\n20240104,3,4,3,4,300\n",
        "timestamp,1. open,2. high,3. low,4. close,5. volume\n2024-01-02,1,2,1,2,100\n2024-01-03,2,3,2,3,200\n"
        "2024-01-04,3,4,3,4,300\n",
    ],
)
def test_one_table_in_many_habits(folder, content):
    put(folder, "SAME.csv", content)
    report, store = taken(folder)
    assert report.clean, report.unread
    bars = store.table("d", "bars")
    good, same = (bars.filter(symbol=name).drop("symbol") for name in ("GOOD", "SAME"))
    assert same.equals(good)


def test_semicolons_and_decimal_commas(folder):
    put(folder, "DE.csv", "\ufeffTag;Date;Close;Volume\nx;02.01.2024;9,5;1.000\nx;31.01.2024;1.009,75;2.000\n")
    report, store = taken(folder)
    assert store.table("d", "bars", symbols="DE").select("close", "volume").rows() == [(9.5, 1000.0), (1009.75, 2000.0)]
    assert report.clean


def test_ragged_lines_are_rejected_by_line(folder):
    put(
        folder, "Z.csv", GOOD + "2024-01-05,4,5\n2024-01-08,4,5,4,5,400\n2024-01-09,4,5,4,5,400,7,8\n\n2024-01-10,4,5,4"
    )
    report, store = taken(folder)
    assert report.rejected == {"fields": 3}
    rejects = store.table("d", "rejects")
    assert rejects.select("source", "line", "symbol", "rule", "row").rows() == [
        ("Z.csv", 5, "Z", "fields", "2024-01-05,4,5"),
        ("Z.csv", 7, "Z", "fields", "2024-01-09,4,5,4,5,400,7,8"),
        ("Z.csv", 9, "Z", "fields", "2024-01-10,4,5,4"),
    ]
    assert store.table("d", "bars", symbols="Z").height == 4


def test_a_file_that_breaks_off_in_a_line(folder):
    # Read as a missing close, the last line would be a bar without a price.
    put(folder, "Z.csv", "Date,Open,Close\n2024-01-02,1,2\n2024-01-03,2\n")
    report, store = taken(folder)
    assert report.rejected == {"fields": 1}
    assert store.table("d", "bars", symbols="Z").height == 1


def test_line_numbers_are_those_of_an_editor(folder):
    put(folder, "Z.csv", "\n\nDate,Close\n\n2024-01-02,1\n\n2024-01-03,zero\n")
    put(folder, "Y.csv", 'Date,Close,Note\n2024-01-02,1,"two\nlines"\n2024-01-03,zero,x\n')
    _, store = taken(folder)
    assert store.table("d", "rejects").select("source", "line").rows() == [("Y.csv", 4), ("Z.csv", 7)]


def test_rows_that_cannot_be_bars_keep_their_values(folder):
    rows = [
        ("2024-01-02", "0", "5", "price"),
        ("2024-01-03", "5", "-5", "price"),
        ("2024-01-04", "inf", "5", "price"),
        ("2024-01-05", "abc", "5", "not_a_number"),
        ("soon", "5", "5", "not_a_date"),
        ("", "5", "5", "missing_date"),
    ]
    put(folder, "Z.csv", "Date,Open,Close\n" + "".join(f"{day},{one},{two}\n" for day, one, two, _ in rows))
    report, store = taken(folder)
    found = store.table("d", "rejects").sort("line")
    assert found["rule"].to_list() == [rule for *_, rule in rows]
    assert found["line"].to_list() == [2, 3, 4, 5, 6, 7]
    assert found["row"][0] == '{"Date":"2024-01-02","Open":"0","Close":"5"}'
    assert store.describe("d").symbols == ("GOOD",)
    assert sum(report.rejected.values()) == 6


def test_volumes_symbols_and_members(folder):
    put(
        folder,
        "all.csv",
        "Date,Symbol,Close,Volume,Member\n2024-01-02,A,5,-1,true\n2024-01-02,,5,1,true\n2024-01-02,B,5,1,maybe\n"
        "2024-01-02,C\x07,5,1,1\n2024-01-02,D,5,0,no\n",
    )
    (folder / "GOOD.csv").unlink()
    report, store = taken(folder)
    assert report.rejected == {"bad_symbol": 1, "member": 1, "missing_symbol": 1, "volume": 1}
    assert store.table("d", "bars").drop("date").rows() == [("D", 5.0, 0.0, False)]


def test_doubled_rows_are_one_when_they_agree_and_none_when_they_do_not(folder):
    put(
        folder,
        "Z.csv",
        "Date,Symbol,Close,Src\n2024-01-02,A,5,x\n2024-01-02,A,5,y\n2024-01-03,A,6,x\n2024-01-03,A,7,y\n",
    )
    put(folder, "Y.csv", "Date,Symbol,Close\n2024-01-02,A,5\n2024-01-04,A,8\n")
    (folder / "GOOD.csv").unlink()
    report, store = taken(folder)
    assert (report.doubled, report.rejected) == (2, {"duplicate": 2})
    assert store.table("d", "bars")["close"].to_list() == [5.0, 8.0]
    assert any('--where "Src=x"' in question for question in report.questions)
    one = ingest(folder / "Z.csv", store=store, dataset="one", where={"Src": "y"})
    assert one.clean
    assert store.table("one", "bars")["close"].to_list() == [5.0, 7.0]


def test_zero_can_mean_unknown(folder):
    put(folder, "Z.csv", "Date,Open,Close\n2024-01-02,0,5\n2024-01-03,0.00,6\n")
    report, store = taken(folder, missing="0")
    assert report.clean
    assert store.table("d", "bars", symbols="Z")["open"].to_list() == [None, None]


def test_rows_without_any_value_are_counted(folder):
    put(folder, "Z.csv", "Date,Open,Close,Volume\n2024-01-02,1,2,3\n2024-01-03,null,null,null\n2024-01-04,,,\n")
    report, _ = taken(folder)
    assert report.blank == 2
    assert report.clean


def test_files_with_other_columns_say_what_they_lack(folder):
    put(folder, "Z.csv", "Close,Date\n5,2024-01-02\n")
    report, store = taken(folder)
    assert "Z.csv has no open: missing there." in report.notes
    assert store.table("d", "bars", symbols="Z").select("open", "close").rows() == [(None, 5.0)]


def test_names_of_files_can_hold_the_symbol(folder):
    (folder / "GOOD.csv").rename(folder / "daily_GOOD.csv")
    put(folder, "daily_BRK.B.csv", GOOD)
    put(folder, "other.csv", GOOD)
    report, store = taken(folder, symbol="daily_{symbol}.csv")
    assert store.describe("d").symbols == ("BRK.B", "GOOD")
    assert [file.reason for file in report.unread] == ["other.csv does not look like daily_{symbol}.csv."]
    with pytest.raises(DataError, match=r"cannot be X like every other file"):
        ingest(folder, store=store, dataset="e", symbol="X")


def test_a_single_file_needs_a_symbol_that_its_name_does_not_make(folder, tmp_path):
    put(tmp_path, "vix_daily_1990.csv", GOOD)
    store = Store(tmp_path / "store")
    with pytest.raises(DataError, match="has no column for the symbol, and its name is no ticker") as caught:
        ingest(tmp_path / "vix_daily_1990.csv", store=store, dataset="v")
    assert "--symbol" in caught.value.hint
    ingest(tmp_path / "vix_daily_1990.csv", store=store, dataset="v", symbol="VIX")
    ingest(folder / "GOOD.csv", store=store, dataset="g")
    assert (store.describe("v").symbols, store.describe("g").symbols) == (("VIX",), ("GOOD",))


def test_a_column_called_name_is_the_symbol_when_it_holds_tickers(tmp_path):
    store = Store(tmp_path / "store")
    put(tmp_path, "all.csv", "date,close,Name\n2024-01-02,5,AAPL\n2024-01-02,6,MSFT\n")
    ingest(tmp_path / "all.csv", store=store, dataset="a")
    assert store.describe("a").symbols == ("AAPL", "MSFT")
    put(tmp_path, "XYZ.csv", "date,close,Name\n2024-01-02,5,Apple Inc\n")
    report = ingest(tmp_path / "XYZ.csv", store=store, dataset="b")
    assert store.describe("b").symbols == ("XYZ",)
    assert ("Name", "ignored") in report.understood.select("column", "field").rows()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("nowhere", "There is no file or folder"),
        ("empty", "has no file that ends in"),
        ("prices/*.xyz", "No file matches"),
    ],
)
def test_a_path_that_leads_nowhere(folder, path, sentence):
    (folder.parent / "empty").mkdir()
    with pytest.raises(InputError, match=sentence):
        ingest(folder.parent / path, store=Store(folder.parent / "store"), dataset="d")
    assert not (folder.parent / "store").exists()


def test_when_nothing_can_be_read_nothing_is_stored(folder):
    put(folder, "GOOD.csv", "")
    put(folder, "Z.csv", "Date,Close\n")
    with pytest.raises(
        DataError, match=r"GOOD\.csv is empty \(0 bytes\)\. Not read either: Z\.csv has a header and no rows\."
    ):
        taken(folder)
    put(folder, "GOOD.csv", "Date,Close\n2024-01-02,0\n")
    with pytest.raises(DataError, match=r"None of 1 rows can be stored; the rule that most break is price") as caught:
        taken(folder)
    assert "--missing 0" in caught.value.hint
    assert not (folder.parent / "store").exists()


def test_a_dataset_that_exists_is_refused_before_anything_is_read(folder):
    _, store = taken(folder)
    put(folder, "GOOD.csv", "")
    with pytest.raises(StoreError, match="Dataset d exists") as caught:
        ingest(folder, store=store, dataset="d")
    assert "--update" in caught.value.hint
    with pytest.raises(StoreError, match="There is no dataset e"):
        ingest(folder, store=store, dataset="e", mode="update")
    assert store.versions("d").height == 1


BYTES = st.binary(max_size=300) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass"))
LINES = st.lists(
    st.lists(
        st.sampled_from(["2024-01-02", "1,5", "5", "", '"', "x", "06/09/2014", "inf", "Date", "Close"]), max_size=4
    ),
    max_size=6,
).map(lambda rows: "\n".join(",".join(row) for row in [["Date", "Close"], *rows]).encode())


@settings(max_examples=150)
@given(BYTES | LINES)
def test_any_bytes_end_in_a_sentence_or_in_bars(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("any")
    (folder / "A.csv").write_bytes(content)
    refused = None
    try:
        report = ingest(folder / "A.csv", store=Store(folder / "store"), dataset="d", calendar="24/7")
    except QuantlabError as error:
        refused = str(error)
    if refused is None:
        assert report.bars > 0
    else:
        assert refused
        assert not (folder / "store").exists()


def raw_and_adjusted(folder, header: str, *rows: str) -> None:
    put(folder, "GOOD.csv", "\n".join([header, *rows, ""]))


def test_an_adjusted_close_as_the_price_scales_the_raw_ones(folder):
    rows = ("2024-01-02,8,12,8,10,5,70", "2024-01-03,9,9.7,9,9.7,9.7,70", "2024-01-04,1,2,1,,3,70")
    raw_and_adjusted(folder, "Date,Open,High,Low,Close,Adj Close,Volume", *rows)
    report, store = taken(folder, columns={"close": "Adj Close"}, adjusted="total_return")
    assert store.table("d", "bars").select("open", "high", "low", "close", "volume").rows() == [
        (4.0, 6.0, 4.0, 5.0, 70.0), (9.0, 9.7, 9.0, 9.7, 70.0), (None, None, None, 3.0, 70.0),
    ]  # fmt: skip
    assert report.notes == (
        "The price is Adj Close: open, high, low were multiplied by Adj Close / Close, row by row. "
        "Volumes are as in the file.",
    )
    said = dict(report.understood.select("column", "field").rows())
    assert (said["Adj Close"], said["Close"]) == ("close", "left out")


def test_an_adjusted_close_without_a_raw_one_stays_alone(folder):
    raw_and_adjusted(folder, "Date,Open,Adj Close", "2024-01-02,8,5", "2024-01-03,9,6")
    report, store = taken(folder, columns={"close": "Adj Close"})
    bars = store.table("d", "bars")
    assert "open" not in bars.columns
    assert bars["close"].to_list() == [5.0, 6.0]
    assert report.notes == ("The price is Adj Close: Open was left out, with no raw close to scale by.",)
    # Who names a column has said what it is.
    report, store = taken(folder, columns={"close": "Adj Close", "open": "Open"}, mode="replace")
    assert store.table("d", "bars")["open"].to_list() == [8.0, 9.0]


def test_the_question_names_the_way_to_an_adjusted_close(folder):
    raw_and_adjusted(folder, "Date,Close,Adj Close", "2024-01-02,8,5", "2024-01-03,9,6")
    report, _ = taken(folder)
    assert any('--column close="Adj Close" --adjusted total_return' in question for question in report.questions)
    report, _ = taken(folder, columns={"adj_close": ""}, mode="replace")
    assert not any("Or take the adjusted close" in question for question in report.questions)


def test_a_separator_is_found_by_names_that_were_told_and_by_shape(folder):
    put(folder, "GOOD.csv", "Tag;Ende;Bem\n02.01.2024;9,5;a,b\n31.01.2024;9,75;a,b\n")
    _, store = taken(folder, columns={"date": "Tag", "close": "Ende"})
    assert store.table("d", "bars")["close"].to_list() == [9.5, 9.75]
    with pytest.raises(DataError, match=r"GOOD\.csv has no column for date; it has Tag, Ende, Bem\."):
        taken(folder, mode="replace")
    put(folder, "GOOD.csv", "02.01.2024;9,5\n31.01.2024;9,75\n")
    with pytest.raises(DataError, match="does not begin with the names of columns"):
        taken(folder, mode="replace")


@pytest.mark.parametrize(
    "header", ["Datum;Eröffnung;Hoch;Tief;Schluss;Volumen", "Datum;Erster;Hoch;Tief;Schlusskurs;Stuecke"]
)
def test_german_names(folder, header):
    put(folder, "GOOD.csv", f"{header}\n02.01.2024;1,5;2,5;1,25;2,0;1.000\n31.01.2024;1,5;2,5;1,25;2,0;1.000\n")
    _, store = taken(folder)
    assert store.table("d", "bars").drop("date", "symbol").rows()[0] == (1.5, 2.5, 1.25, 2.0, 1000.0)


def test_files_that_fail_alike_are_counted_together(folder):
    put(folder, "GOOD.csv", "Date,Price2\n2024-01-02,1\n")
    put(folder, "H.csv", "Date,Price2\n2024-01-02,1\n")
    put(folder, "Z.csv", "Date,Close\n")
    with pytest.raises(DataError) as caught:
        taken(folder)
    assert caught.value.message == (
        "GOOD.csv has no column for close; it has Date, Price2. So it is with 1 more. Not read either: Z.csv has a "
        "header and no rows."
    )


def test_a_table_with_a_column_per_symbol(folder):
    put(folder, "GOOD.csv", "Date,AAA,B B,CC\n2024-01-02,1,10,\n2024-01-03,2,x,7\n")
    with pytest.raises(DataError, match="has no column for close") as caught:
        taken(folder)
    assert "--column close=NAME" in caught.value.hint
    report, store = taken(folder, wide="close")
    assert store.table("d", "bars").select("symbol", "close").rows() == [
        ("AAA", 1.0),
        ("B B", 10.0),
        ("AAA", 2.0),
        ("CC", 7.0),
    ]
    assert (report.rejected, report.blank) == ({"not_a_number": 1}, 1)
    assert store.table("d", "rejects").select("line", "symbol", "date").rows() == [(3, "B B", "2024-01-03")]


def test_a_wide_table_is_offered_where_it_looks_so(folder):
    put(folder, "GOOD.csv", "Date,AAA,BBB\n2024-01-02,1,10\n2024-01-03,2,11\n")
    with pytest.raises(DataError) as caught:
        taken(folder)
    assert caught.value.hint.startswith("if every column is the close of a symbol: --wide close.")
    put(folder, "GOOD.csv", "Date,Name2,BBB\n2024-01-02,abc,10\n2024-01-03,abc,11\n")
    with pytest.raises(DataError) as caught:
        taken(folder)
    assert "--wide" not in caught.value.hint


def test_a_wide_parquet_table(folder):
    (folder / "GOOD.csv").unlink()
    pl.DataFrame({"day": [date(2024, 1, 2)], "AAA": [1], "BBB": [2.5]}).write_parquet(folder / "W.parquet")
    _, store = taken(folder, wide="close")
    assert store.table("d", "bars").select("symbol", "close").rows() == [("AAA", 1.0), ("BBB", 2.5)]
    with pytest.raises(InputError, match="`wide` must be one of close"):
        taken(folder, wide="volume", mode="replace")
    pl.DataFrame({"when": [date(2024, 1, 2)], "AAA": [1], "BBB": [2.5]}).write_parquet(folder / "W.parquet")
    with pytest.raises(DataError, match="has 0 columns for date; it has when, AAA, BBB"):
        taken(folder, wide="close", mode="replace")
    _, store = taken(folder, wide="close", columns={"date": "when"}, mode="replace")
    assert store.describe("d").symbols == ("AAA", "BBB")


def test_gzip_is_read_and_other_archives_are_named(folder):
    (folder / "GOOD.csv").rename(folder / "PLAIN.csv")
    (folder / "PACKED.csv.gz").write_bytes(gzip.compress((folder / "PLAIN.csv").read_bytes()))
    report, store = taken(folder)
    assert report.clean
    packed, plain = (store.table("d", "bars", symbols=name).drop("symbol") for name in ("PACKED", "PLAIN"))
    assert packed.equals(plain)
    (folder / "PACKED.csv.gz").write_bytes(gzip.compress(GOOD.encode())[:-9])
    (folder / "Q.csv").write_bytes(b"BZh9abc")
    (folder / "R.csv").write_bytes(b"PK\x03\x04\x00\x00")
    report, _ = taken(folder, mode="replace")
    said = [file.reason for file in report.unread]
    assert said[0].startswith("PACKED.csv.gz is damaged: ")
    assert said[1:] == ["Q.csv is compressed (bzip2).", "R.csv is a zip archive."]


@pytest.mark.parametrize(
    "preface", ["sep=;\n", '"sep=;"\n', "# downloaded 2023-01-05\nsep=;\n", "# a\n\n# b, c\n", "#"]
)
def test_what_stands_above_the_header_is_passed_by(folder, preface):
    put(folder, "GOOD.csv", preface + GOOD.replace(",", ";"))
    report, store = taken(folder)
    assert report.clean
    assert store.table("d", "bars").height == 3
    put(folder, "GOOD.csv", "# a\n# b\n")
    with pytest.raises(DataError, match="has remarks and no header"):
        taken(folder, mode="replace")


def test_a_line_number_counts_the_remarks(folder):
    put(folder, "GOOD.csv", "# a\nsep=;\nDate;Close\n2024-01-02;5\n2024-01-03;x\n")
    _, store = taken(folder)
    assert store.table("d", "rejects")["line"].to_list() == [5]


def test_questions_speak_of_the_files_own_values(folder):
    put(folder, "GOOD.csv", "Date,Close\n2024-01-02,5\n03/04/2024,5\n2024-01-05,-1\n")
    report, _ = taken(folder)
    assert any("Which comes first in 03/04/2024, month or day?" in question for question in report.questions)
    assert not any("zero prices" in question for question in report.questions)
    put(folder, "GOOD.csv", "Date,Close\n2024-01-02,5\n2024-01-05,0\n")
    report, _ = taken(folder, mode="replace")
    assert any("Do zero prices mean unknown?" in question for question in report.questions)


@pytest.mark.parametrize(
    ("names", "pattern"),
    [
        (("daily_AA.csv", "daily_AB.csv"), "daily_{symbol}.csv"),
        (("aa_us_d.csv", "bba_us_d.csv"), "{symbol}_us_d.csv"),
        (("x-AA 1.csv", "x-B 1.csv"), "x-{symbol} 1.csv"),
        (("AAB.csv", "AAC.csv"), None),
        (("A_X.csv", "X.csv"), None),
    ],
)
def test_names_of_files_that_share_a_part_are_a_question(folder, names, pattern):
    (folder / "GOOD.csv").unlink()
    for name in names:
        put(folder, name, GOOD)
    report, _ = taken(folder)
    asked = [question for question in report.questions if "--symbol" in question]
    if pattern is None:
        assert asked == []
        return
    assert f'--symbol "{pattern}" takes what differs.' in asked[0]
    report, store = taken(folder, symbol=pattern, mode="replace")
    assert not any("--symbol" in question for question in report.questions)
    assert all("_" not in name and " " not in name for name in store.describe("d").symbols)


@pytest.mark.parametrize("form", ["nonsense", "dd/mm/yyyy", ""])
def test_a_date_format_that_names_no_part_of_a_date_is_refused(folder, form):
    with pytest.raises(InputError, match=f"`date_format` '{form}' names no part of a date"):
        taken(folder, date_format=form)
