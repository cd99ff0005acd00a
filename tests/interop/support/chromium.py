"""Debian's Chromium, headless, driven by Selenium through the pages of `authorization-server.mjs`."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from .paths import CACHE
from .stdio_client import DEADLINE

ARTIFACTS = Path(os.environ.get("CI_ARTIFACTS") or CACHE / "artifacts")
"""Where the screenshots go."""

CHROMIUM = shutil.which("chromium")
CHROMEDRIVER = shutil.which("chromedriver")

FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--no-proxy-server",
    # The pages of oidc-provider name a font on the web; nothing here leaves this machine.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",
]


class Chromium:
    """A browser with a profile of its own."""

    def __init__(self, width: int = 900, height: int = 640) -> None:
        assert CHROMIUM and CHROMEDRIVER, "no chromium and chromedriver here; tests/interop/setup installs them"
        self._profile = tempfile.TemporaryDirectory()
        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for flag in [*FLAGS, f"--user-data-dir={self._profile.name}", f"--window-size={width},{height}"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(CHROMEDRIVER))
        self.driver.set_page_load_timeout(DEADLINE)

    def _wait(self, found: Any, what: str) -> Any:
        return WebDriverWait(self.driver, DEADLINE).until(
            found, f"no {what}; the browser is at {self.driver.current_url}"
        )

    def sign_in(self, url: str, name: str | None = None) -> None:
        """Goes through login and consent, with a screenshot of each page if there is a name for them."""
        self.driver.get(url)
        login = self._wait(lambda driver: driver.find_elements(By.NAME, "login"), "login page")[0]
        if name:
            self.screenshot(f"{name}-1-login")
        login.send_keys("ada")
        self.driver.find_element(By.NAME, "password").send_keys("not-a-real-password")
        self.driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()
        self._wait(lambda driver: driver.find_elements(By.CSS_SELECTOR, "input[value=consent]"), "consent page")
        if name:
            self.screenshot(f"{name}-2-consent")
        self.driver.find_element(By.CSS_SELECTOR, "button[type=submit]").click()

    def cancel(self, url: str) -> None:
        """Says no on the login page."""
        self.driver.get(url)
        links = self._wait(lambda driver: driver.find_elements(By.PARTIAL_LINK_TEXT, "Cancel"), "login page")
        links[0].click()

    def wait_for_url(self, start: str) -> None:
        """Waits until the address begins with this and the page is there."""
        self._wait(lambda driver: driver.current_url.startswith(start), f"page at {start}")
        self._wait(lambda driver: driver.execute_script("return document.readyState") == "complete", "whole page")

    def heading(self) -> str:
        """The main heading of the page."""
        return self.driver.find_element(By.TAG_NAME, "h1").text

    def text(self) -> str:
        """What a reader sees of the page."""
        return self.driver.find_element(By.TAG_NAME, "body").text

    def complaints(self) -> list[str]:
        """What the browser has complained about since the last call (refused styles, scripts, loads)."""
        return [entry["message"] for entry in self.driver.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")]

    def prefer(self, scheme: str) -> None:
        """Says that the person prefers `light` or `dark`; the page that is shown follows."""
        feature = {"name": "prefers-color-scheme", "value": scheme}
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})

    def background(self) -> str:
        """The colour behind the page, as the browser has computed it."""
        script = "return [document.body, document.documentElement].map(e => getComputedStyle(e).backgroundColor)"
        colours: list[str] = self.driver.execute_script(script)
        return next((colour for colour in colours if colour != "rgba(0, 0, 0, 0)"), "none")

    def phone(self) -> None:
        """Shows the page as a phone would."""
        metrics = {"width": 390, "height": 800, "deviceScaleFactor": 2, "mobile": True}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def screenshot(self, name: str) -> Path:
        """Keeps what is shown."""
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        path = ARTIFACTS / f"{name}.png"
        assert self.driver.save_screenshot(str(path)), path
        return path

    def close(self) -> None:
        self.driver.quit()
        self._profile.cleanup()

    def __enter__(self) -> Chromium:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()
