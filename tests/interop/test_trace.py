"""What is made of traces, in the programs it is made for: the report in Chromium, the HAR in its DevTools.

Screenshots go to `$CI_ARTIFACTS`, else to `.cache/artifacts`.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from support.chromium import Chromium
from support.paths import HERE, NODE, ROOT, bridge_command
from support.stdio_client import DEADLINE, eventually

SESSION = ROOT / "tests" / "traces" / "session.jsonl"

EVIL = "</script><script>document.title='owned'</script><img src=/pixel onerror=\"document.title='owned'\"><!--\u2028"


def run(*arguments: str | Path) -> None:
    """Runs `mcp-tether trace`, which has nothing to complain about."""
    command = [*bridge_command(), "trace", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * DEADLINE, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder and notes what is asked for."""

    asked: list[str] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        pass


class Report:
    """A report in a browser, from a web server, so that its requests can be seen."""

    def __init__(self, folder: Path, chromium: Chromium) -> None:
        self.folder, self.chromium, self.driver = folder, chromium, chromium.driver
        Handler.asked = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def open(self, trace: Path) -> None:
        """Makes a report of a trace and shows it."""
        run("report", trace, "-o", self.folder / "report.html")
        self.driver.get(f"http://127.0.0.1:{self._server.server_port}/report.html")

    def asked(self) -> list[str]:
        """What the page, and not the browser for itself, has asked for."""
        return [path for path in Handler.asked if path != "/favicon.ico"]

    def complaints(self) -> list[str]:
        """What the browser has against the page."""
        return [line for line in self.chromium.complaints() if "favicon" not in line]

    def get(self, identifier: str) -> WebElement:
        return self.driver.find_element(By.ID, identifier)

    def press(self, *keys: str) -> None:
        """Types where the focus is."""
        self.driver.switch_to.active_element.send_keys(*keys)

    def focus(self) -> str:
        """The id of what has the focus."""
        return str(self.driver.execute_script("return document.activeElement.id"))

    def chosen(self) -> str:
        """What a screen reader says of the chosen row."""
        row = self.get(str(self.get("list").get_attribute("aria-activedescendant")))
        assert row.get_attribute("aria-selected") == "true" and row.is_displayed()
        return str(row.accessible_name)

    def shown(self, text: str) -> None:
        """Waits until so many items are shown."""
        eventually(lambda: self.get("shown").text == text, text)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def report(tmp_path: Path) -> Iterator[Report]:
    with Chromium(1400, 1000) as browser:
        shown = Report(tmp_path, browser)
        yield shown
        shown.close()


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """The session, with markup everywhere."""
    records = [json.loads(line) for line in SESSION.read_text().split("\n") if line]
    records[0]["server"] += EVIL
    for record in records:
        if "headers" in record:
            record["headers"].append(["x-" + EVIL, EVIL])
        for name in ("text", "module", "error", "kind", "method") & record.keys():
            record[name] += EVIL
        if "json" in record.get("content", {}):
            record["content"]["json"][EVIL] = EVIL
        if "rpc" in record and "method" in record["rpc"]:
            record["rpc"]["method"] += EVIL
    file = tmp_path / "hostile.jsonl"
    file.write_text("".join(json.dumps(record) + "\n" for record in records))
    return file


def test_foreign_text_does_nothing(report: Report, hostile: Path) -> None:
    report.open(hostile)
    rows = report.driver.find_elements(By.CLASS_NAME, "row")
    assert len(rows) > 10 and any(EVIL[:20] in row.text for row in rows)
    # Every item's details, which are made when they are opened.
    report.driver.execute_script("for (const it of items) { open(it.index); details.querySelectorAll('details').forEach(d => d.open = true); }")
    report.get("search").send_keys("owned")
    report.shown(f"{len(report.driver.execute_script('return items'))} items")
    assert report.driver.title.startswith("Trace: https://mcp.example.com/mcp</script>")
    assert report.driver.execute_script("return document.scripts.length") == 2
    assert report.driver.execute_script("return document.images.length") == 0
    assert report.asked() == ["/report.html"]
    assert not report.complaints()


def test_the_policy_is_in_force(report: Report) -> None:
    report.open(SESSION)
    assert not report.complaints()
    report.driver.execute_script("""
        const script = document.createElement('script');
        script.textContent = 'window.ran = true';
        document.body.append(script);
        document.body.insertAdjacentHTML('beforeend', '<img src="/pixel" onerror="window.ran = true"><p id="styled" style="color: red">x</p>');
        fetch('/fetched').catch(() => 0);
    """)
    complaints = eventually(lambda: report.complaints(), "complaint about what was put in")
    assert all("Content Security Policy" in line for line in complaints), complaints
    assert not report.driver.execute_script("return window.ran")
    assert report.driver.execute_script("return getComputedStyle(styled).color") != "rgb(255, 0, 0)"
    assert report.asked() == ["/report.html"]


def test_by_keyboard(report: Report) -> None:
    report.open(SESSION)
    for _ in range(40):
        if report.focus() == "list":
            break
        report.press(Keys.TAB)
        outline = report.driver.execute_script("return getComputedStyle(document.activeElement).outlineStyle")
        assert outline != "none", "the focus cannot be seen"
    assert report.focus() == "list"
    assert "initialize" in report.chosen()
    report.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN)
    assert "#1 POST server/discover" in report.chosen() and "401" in report.chosen()
    report.press(Keys.ENTER)
    assert report.focus() == "details"
    text = report.get("details").text
    assert "401 Unauthorized (HTTP/2.0)" in text and "www-authenticate" in text and '"invalid_token"' in text
    report.press(Keys.ESCAPE)
    assert report.focus() == "list" and not report.get("details").is_displayed()
    report.press(Keys.END)
    assert "the session is ended" in report.chosen()

    report.press("/")
    assert report.focus() == "search"
    report.press("größe 42")
    report.shown("2 of 39 items")
    report.press(Keys.ENTER)
    assert report.focus() == "list" and "tools/call" in report.chosen()
    report.press(Keys.ARROW_DOWN, Keys.ENTER)
    assert "4 events" in report.get("details").text
    report.chromium.screenshot("report-search")
    report.press(Keys.ESCAPE, "/", Keys.ESCAPE)
    report.shown("39 items")
    report.press(Keys.ESCAPE)
    assert report.focus() == "list"

    report.press("e")
    report.shown("14 of 39 items")
    report.press("e", "+", "+", "+")
    eventually(lambda: report.get("shown").text != "39 items", "narrower time")
    report.press("0")
    report.shown("39 items")
    assert not report.complaints()


def test_how_it_looks(report: Report) -> None:
    report.open(SESSION)
    backgrounds = []
    for scheme in ("light", "dark"):
        report.chromium.prefer(scheme)
        report.chromium.screenshot(f"report-{scheme}")
        backgrounds.append(report.chromium.background())
    assert backgrounds[0] != backgrounds[1], backgrounds
    # Errors come first, and lead to what they are about.
    problems = report.driver.find_elements(By.CSS_SELECTOR, "#problem-list button")
    assert len(problems) == 14 and problems[0].location["y"] < report.get("list").location["y"]
    next(button for button in problems if "Out of stock" in button.text).click()
    assert "Out of stock" in report.get("details").text
    report.get("list").send_keys(Keys.HOME, *[Keys.ARROW_DOWN] * 18)
    for scheme in ("light", "dark"):
        report.chromium.prefer(scheme)
        report.chromium.screenshot(f"report-details-{scheme}")
    latency = {tuple(cell.text for cell in row.find_elements(By.TAG_NAME, "td")[:4]) for row in report.driver.find_elements(By.CSS_SELECTOR, "#methods tr")}
    assert ("tools/call", "client", "3", "2") in latency
    report.chromium.phone()
    report.chromium.screenshot("report-phone-details")
    report.driver.find_element(By.CSS_SELECTOR, "#details button").click()
    report.driver.execute_script("scrollTo(0, 0)")
    report.chromium.screenshot("report-phone")
    width = report.driver.execute_script("return [document.documentElement.scrollWidth, innerWidth]")
    assert width[0] <= width[1], f"the page is wider than a phone: {width}"
    assert report.driver.print_page()
    assert not report.complaints()


def test_ten_thousand_exchanges(report: Report, tmp_path: Path) -> None:
    file = tmp_path / "large.jsonl"
    with file.open("w") as out:
        out.write(SESSION.read_text().splitlines()[0] + "\n")
        for n in range(1, 10_001):
            rpc = {"kind": "request", "id": str(n), "method": "tools/call"}
            content = {"bytes": 90, "json": {"id": n, "method": "tools/call", "params": {"name": f"needle{n}"}}}
            request = {"type": "request", "t": n * 10, "n": n, "purpose": "mcp", "method": "POST", "url": "https://h.example/mcp"}
            records = [
                {**request, "headers": [], "rpc": rpc, "content": content},
                {"type": "response", "t": n * 10 + 3, "n": n, "status": 200, "http": "HTTP/1.1", "headers": []},
                {"type": "end", "t": n * 10 + 4, "n": n, "how": "whole", "bytes": 0},
            ]
            out.writelines(json.dumps(record) + "\n" for record in records)
    report.open(file)
    report.shown("10000 items")
    report.get("list").send_keys(Keys.END)
    assert "#10000 POST tools/call" in report.chosen()
    assert len(report.driver.find_elements(By.CLASS_NAME, "row")) < 200
    report.press("/", "needle5000")
    report.shown("1 of 10000 items")
    assert not report.complaints()


def test_har_is_as_its_schema_wants(tmp_path: Path, hostile: Path) -> None:
    for number, trace in enumerate([SESSION, ROOT / "tests" / "traces" / "rotated.jsonl.1", hostile]):
        file = tmp_path / f"{number}.har"
        run("har", trace, "-o", file)
        assert len(json.loads(file.read_text())["log"]["entries"]) in (2, 19)
        done = subprocess.run([NODE, HERE / "har.mjs", file], capture_output=True, text=True, timeout=DEADLINE, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


IMPORT = """
const [text, done] = arguments;
(async () => {
  const { HARFormat, Importer } = await import('devtools://devtools/bundled/models/har/har.js');
  const requests = Importer.Importer.requestsFromHARLog(new HARFormat.HARRoot(JSON.parse(text)).log);
  return requests.map((it) => [it.requestMethod, it.url(), it.statusCode, it.eventSourceMessages().map((message) => message.data).length,
    it.responseHeaders.length, Math.round(it.duration * 1e6)]);
})().then(done, (error) => done(error.stack));
"""


def test_chromium_reads_the_har(tmp_path: Path) -> None:
    """What the network panel does with a file that is dropped onto it, by its own code."""
    file = tmp_path / "session.har"
    run("har", SESSION, "-o", file)
    with Chromium() as chromium:
        chromium.driver.get("devtools://devtools/bundled/models/har/har.js")
        chromium.driver.set_script_timeout(DEADLINE)
        found = chromium.driver.execute_async_script(IMPORT, file.read_text())
    assert isinstance(found, list) and len(found) == 19, found
    assert found[10][:4] == ["POST", "https://mcp.example.com/mcp", 200, 4]
    assert found[10][5] == pytest.approx(901_100, abs=2)
    assert found[16][2] == 0
