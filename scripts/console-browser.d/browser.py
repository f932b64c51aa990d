"""Chromium with eyes: it notices what shifts, what is too wide, and what goes wrong."""
import base64
import json
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

WIDTHS = {1280: 900, 390: 844}
# Counted from the first paint of each page. What a person causes is no shift.
WATCH = """
window.shifted = 0;
new PerformanceObserver(list => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) window.shifted += entry.value;
}).observe({type: 'layout-shift', buffered: true});
"""


class Browser:
    def __init__(self, url: str, pictures: str) -> None:
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in ["--headless=new", "--no-sandbox", "--hide-scrollbars"]:
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        self.driver = webdriver.Chrome(options, Service("/usr/bin/chromedriver"))
        self.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WATCH})
        self.url = url
        self.pictures = Path(pictures) if pictures else None
        self.width(1280)

    def width(self, width: int, scheme: str = "light") -> None:
        cdp = self.driver.execute_cdp_cmd
        size = {"width": width, "height": WIDTHS[width], "mobile": False, "deviceScaleFactor": 1}
        cdp("Emulation.setDeviceMetricsOverride", size)
        feature = {"name": "prefers-color-scheme", "value": scheme}
        cdp("Emulation.setEmulatedMedia", {"features": [feature]})

    def open(self, path: str) -> None:
        self.driver.get(self.url + path)

    def one(self, css: str):
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def link(self, text: str):
        return self.driver.find_element(By.LINK_TEXT, text)

    def text(self) -> str:
        return self.one("main").text

    def until(self, what: str, condition):
        return WebDriverWait(self.driver, 30, 0.1).until(lambda _: condition(), what)

    def looks_right(self, name: str) -> None:
        """Checks the present page at both widths, light and dark, and keeps pictures of it."""
        path = self.driver.current_url.removeprefix(self.url)
        for width in WIDTHS:
            for scheme in ["light", "dark"]:
                self.width(width, scheme)
                self.open(path)
                self._check(f"{name} at {width}")
                self.picture(f"{name}-{width}-{scheme}.png")
        self.width(1280)
        self.open(path)

    def _check(self, where: str) -> None:
        run = self.driver.execute_script
        wide = run("return document.documentElement.scrollWidth - window.innerWidth")
        assert wide <= 0, f"{where}: {wide} pixels wider than the window"
        shifted = run("return window.shifted")
        assert shifted < 0.01, f"{where}: the page shifts by {shifted}"
        small = run(
            "return [...document.querySelectorAll('main *')].filter(e => e.offsetParent && "
            "parseFloat(getComputedStyle(e).fontSize) < 11).map(e => e.outerHTML)"
        )
        assert not small, f"{where}: too small to be read: {small[:3]}"
        self.no_errors(where)

    def no_errors(self, where: str, allowed: str = "") -> None:
        for entry in self.driver.get_log("browser"):
            known = allowed and allowed in entry["message"]
            assert entry["level"] != "SEVERE" or known, f"{where}: {json.dumps(entry)}"

    def picture(self, name: str) -> None:
        if not self.pictures:
            return
        whole = {"captureBeyondViewport": True}
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", whole)
        (self.pictures / name).write_bytes(base64.b64decode(shot["data"]))
