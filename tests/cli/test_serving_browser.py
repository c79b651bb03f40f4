"""A page that is open in a browser while its study runs: it loads itself anew, keeps one's place, needs its token."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dfkd_ray.util import yamls
from tests.api.small import SWEEP
from tests.cli.commands import process
from tests.report import browsing
from tests.report.studies import demo, write

pytest.importorskip("selenium")
from selenium.common.exceptions import WebDriverException

browser = browsing.browser
pytestmark = browsing.MARKS
PATIENCE = 600  # seconds
TRIALS = "return typeof table === 'undefined' ? 0 : table?.data.columns[0]?.values.length ?? 0"


@pytest.fixture
def served() -> Iterator[list[subprocess.Popen[str]]]:
    """Processes that are ended with the test."""
    started: list[subprocess.Popen[str]] = []
    yield started
    for each in started:
        each.kill()


def address(started: subprocess.Popen[str]) -> str:
    """Where a process says that its page is."""
    assert started.stdout is not None
    for line in started.stdout:
        if found := re.fullmatch(
            r"the page while it runs, on this machine alone: (http://127\.0\.0\.1:\d+/[\w-]{24}/)\n", line
        ):
            return found[1]
    raise AssertionError("it ended without a word of its page")


def until(browser: Any, script: str, wanted: Any) -> None:
    """Wait until a script says so; a page that is being loaded anew says nothing."""
    waiting = browsing.WebDriverWait(browser, PATIENCE, ignored_exceptions=[WebDriverException])
    waiting.until(lambda driver: wanted(driver.execute_script(script)))


def test_a_report_that_is_watched_loads_itself_anew_and_keeps_what_was_searched(
    browser: Any, served: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    write(tmp_path / "mhad", demo(4))
    served.append(process("report", "mhad", "--watch", cwd=tmp_path))
    browser.get(address(served[0]))
    until(browser, TRIALS, lambda count: count == 4)
    until(browser, "return document.documentElement.dataset.filled", lambda filled: filled == "yes")
    browser.execute_script(
        "const box = document.querySelector('#grid-tools [name=search]'); box.value = 'complete';"
        "box.dispatchEvent(new Event('input', { bubbles: true }))"
    )
    write(tmp_path / "mhad", demo(9))
    until(browser, TRIALS, lambda count: count == 9)
    until(browser, "return document.querySelector('#grid-tools [name=search]').value", lambda text: text == "complete")
    served[0].send_signal(signal.SIGINT)
    out, err = served[0].communicate(timeout=120)
    assert (served[0].returncode, err) == (0, "")
    assert out.endswith("no longer watched\n")
    assert browser.execute_script(TRIALS) == 9, "the page stays"


@pytest.mark.slow
def test_a_sweep_shows_its_trials_as_they_end_to_whoever_has_the_token(
    browser: Any, served: list[subprocess.Popen[str]], tmp_path: Path
) -> None:
    (tmp_path / "warmth.yaml").write_text(
        yamls.dump({**SWEEP, "search": {k: {"log": [1, 20]} for k in SWEEP["search"]}})
    )
    served.append(process("sweep", "warmth.yaml", "--runner", "serial", "--trials", 5000, "--serve", cwd=tmp_path))
    page = address(served[0])
    browser.get(page)
    until(browser, TRIALS, lambda count: count > 0)
    first = browser.execute_script(TRIALS)
    assert browser.execute_script("return document.title") == "warmth · dfkd-ray"
    until(browser, TRIALS, lambda count: count > first)
    browser.get(re.sub(r"/[\w-]{24}/$", f"/{'x' * 24}/", page))
    assert browser.execute_script(TRIALS) == 0
    assert "404" in browser.execute_script("return document.body.textContent")
    served[0].send_signal(signal.SIGINT)
    _, err = served[0].communicate(timeout=240)
    assert (served[0].returncode, "resume with: dfkd-ray resume reports/warmth" in err) == (130, True), err
