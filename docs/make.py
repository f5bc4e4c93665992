"""Regenerate what the docs show: the tables of the data page, the quality page, the README's output and the tearsheet's
picture; the last needs the page of ``make run``.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "build" / "momentum.html"
PICTURE = ROOT / "docs" / "images" / "tearsheet.png"
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]


def main() -> None:
    if not PAGE.is_file():
        sys.exit(f"{PAGE.relative_to(ROOT)} is missing. Hint: make run")
    for script in ("make_schema.py", "make_quality.py"):
        subprocess.run([sys.executable, ROOT / "docs" / script], check=True)
    script = ROOT / "tests" / "laws" / "golden" / "make_readme_output.py"
    subprocess.run([sys.executable, script, ROOT / "data"], check=True)
    browser_path = shutil.which("chromium") or shutil.which("google-chrome")
    if browser_path is None:
        sys.exit("Chromium is missing, so that the picture stays as it is. Hint: apt-get install chromium")
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=browser_path, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 2280})
        page.goto(PAGE.as_uri())
        page.wait_for_load_state("networkidle")
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURE)
        browser.close()


if __name__ == "__main__":
    main()
