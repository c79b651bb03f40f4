"""The page of a large study: what it takes to make, how large it is, how long Chromium takes to draw it.

    python -m benchmarks load tables --trials 10000 --epochs 200 --metrics 16 --out FOLDER
    python -m benchmarks load_page FOLDER ...

A row a folder of tables. `seconds` are the clock's, `work` those of the processor over all processes, which says more
on a machine that is busy. A page is drawn once all its charts are.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
DRAWN = "return document.documentElement.dataset.drawn === 'yes'"
PATIENCE = 300  # seconds
ALONE = "--alone"


def made(folder: Path) -> tuple[float, float, float]:
    """Seconds, seconds of work and peak resident memory in GB of `dfkd-ray report`, in a process of its own."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "dfkd_ray", "report", str(folder)], check=True, stdout=subprocess.DEVNULL)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.perf_counter() - began, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024 / 1e9


@contextmanager
def chromium() -> Iterator[Any]:
    """A browser without a window, with a profile of its own; it has shown an empty page."""
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        for flag in (*FLAGS, f"--user-data-dir={profile}", "--window-size=1280,900"):
            options.add_argument(flag)
        driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
        driver.set_page_load_timeout(PATIENCE)
        driver.get("about:blank")
        yield driver
        driver.quit()


def opened(page: Path) -> tuple[float, float]:
    """Seconds, and seconds of work, until every chart of a page is drawn in a new browser."""
    with chromium() as driver:
        root = driver.service.process.pid
        before, began = work_below(root), time.perf_counter()
        driver.get(page.resolve().as_uri())
        while not driver.execute_script(DRAWN):
            if time.perf_counter() - began > PATIENCE:
                raise SystemExit(f"{page}: not drawn within {PATIENCE} s")
            time.sleep(0.02)
        driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        return time.perf_counter() - began, work_below(root) - before


def work_below(root: int) -> float:
    """Seconds of the processor of all processes that come from this one (Linux)."""
    parent, spent = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:  # it has ended meanwhile
            continue
        own = int(path.parent.name)
        parent[own], spent[own] = int(fields[1]), (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    below = {root}
    while more := {own for own, above in parent.items() if above in below} - below:
        below |= more
    return sum(spent.get(own, 0.0) for own in below)


def row(folder: Path) -> str:
    seconds, work, memory = made(folder)
    page = folder / "report.html"
    shown, shown_work = opened(page)
    size = page.stat().st_size / 1e6
    return f"| {folder} | {seconds:.1f} | {work:.1f} | {memory:.2f} | {size:.2f} | {shown:.1f} | {shown_work:.1f} |"


def main(words: list[str]) -> None:
    if words[:1] == [ALONE]:
        print(row(Path(words[1])), flush=True)
        return
    print("| tables | report: seconds | work | GB | page: MB | drawn: seconds | work |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    for folder in words:  # the peak memory of children is that of the largest one so far
        subprocess.run([sys.executable, __file__, ALONE, folder], check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
