"""Write the tables of docs/data.md from the code that they describe: ``python docs/make_schema.py``.

What stands between two marks is made here; the rest of the page is written by hand. A test compares them.
"""

from __future__ import annotations

from pathlib import Path

from quantlab.data import events, schemas

PAGE = Path(__file__).with_name("data.md")
TYPES = {
    "Date": "Date",
    "String": "String",
    "Float64": "Float64",
    "Int64": "Int64",
    "Boolean": "Boolean",
    "Datetime(time_unit='us', time_zone='UTC')": "Datetime[us, UTC]",
}


def tables() -> str:
    """The tables of a dataset as Markdown."""
    parts = []
    for table in schemas.TABLES.values():
        cut = f", one file per {table.partition}" if table.partition else ""
        parts.append(f"### `{table.name}`\n\n{table.meaning} Key: {', '.join(table.key)}{cut}.\n")
        parts.append("| column | type | unit or values | meaning |\n|---|---|---|---|")
        for column in table.columns:
            name = f"**`{column.name}`**" if column.needed else f"`{column.name}`"
            cells = (name, TYPES[str(column.type)], column.unit, column.meaning)
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("")
    return "\n".join(parts)


def lags() -> str:
    """The assumed publication lags as Markdown."""
    rows = [f"| `{kind}` | {rule} | {source} |" for kind, rule, source in events.lags().rows()]
    return "\n".join(["| lag | available | source |\n|---|---|---|", *rows, ""])


PARTS = {"lags": lags, "tables": tables}


def page(text: str) -> str:
    """The page with its tables renewed."""
    for name, made in PARTS.items():
        begin, end = f"<!-- {name}: made by docs/make_schema.py -->", f"<!-- end of {name} -->"
        head, rest = text.split(begin)
        text = f"{head}{begin}\n\n{made()}\n{end}{rest.split(end)[1]}"
    return text


def main() -> None:
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
