"""Pages that are made from the code are up to date."""

from __future__ import annotations

import importlib.util


def script(root, name):
    spec = importlib.util.spec_from_file_location(name, root / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_schema_page_shows_the_schemas(root):
    maker = script(root, "make_schema")
    text = maker.PAGE.read_text("utf-8")
    assert maker.page(text) == text, "Run: python docs/make_schema.py"


def test_every_table_is_on_the_page(root):
    from quantlab.data import schemas

    text = (root / "docs" / "data.md").read_text("utf-8")
    for table in schemas.TABLES.values():
        assert f"### `{table.name}`" in text
        for column in table.columns:
            assert f"`{column.name}`" in text
