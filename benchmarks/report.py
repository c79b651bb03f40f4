"""The page of a study: what it takes to make, how large it is, how long Chromium takes to draw it.

    python -m benchmarks report --trials 200 10000    # tables of so many simulated trials, which are thrown away
    python -m benchmarks report FOLDER ...            # tables that are there, of `load tables`, say

A row a folder of tables. `seconds` are the clock's, `work` those of the processor over all processes, which says more
on a machine that is busy. A page is drawn once all its charts are; without a Chromium it is not drawn at all.
"""

from __future__ import annotations

import argparse
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

from load_data import write_tables

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


def row(folder: Path, name: str) -> str:
    seconds, work, memory = made(folder)
    page = folder / "report.html"
    size = page.stat().st_size / 1e6
    drawn = [f"{each:.1f}" for each in opened(page)] if shutil.which("chromium") else ["-", "-"]
    return f"| {name} | {seconds:.1f} | {work:.1f} | {memory:.2f} | {size:.2f} | {' | '.join(drawn)} |"


def alone(folder: Path, name: str) -> None:
    """In a process of its own: the peak memory of children is that of the largest one so far."""
    subprocess.run([sys.executable, __file__, ALONE, str(folder), name], check=True)


def main() -> None:
    if sys.argv[1:2] == [ALONE]:
        print(row(Path(sys.argv[2]), sys.argv[3]), flush=True)
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=Path)
    parser.add_argument("--trials", type=int, nargs="+", default=[])
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--metrics", type=int, default=16)
    args = parser.parse_args()
    print("| tables | report: seconds | work | GB | page: MB | drawn: seconds | work |", flush=True)
    print("|---|---|---|---|---|---|---|", flush=True)
    for folder in args.folders:
        alone(folder, folder.name)
    for trials in args.trials:
        with tempfile.TemporaryDirectory() as folder:
            write_tables(trials, args.epochs, args.metrics, "none", Path(folder))
            alone(Path(folder), f"{trials:,} trials")


if __name__ == "__main__":
    main()
