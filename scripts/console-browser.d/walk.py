"""What a person does in the console. Arguments: URL of the server, its folder, for pictures."""
import json
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from browser import Browser

url, place, pictures = sys.argv[1:4]
browser = Browser(url, pictures)


def step(name: str) -> None:
    print(f"console-browser: {name}", flush=True)


def call(method: str, path: str, body=None, **headers: str):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url + path, data, headers, method=method)
    with urllib.request.urlopen(request) as answer:
        return answer.read()


def repoctl(*words: str) -> list[str]:
    return [os.environ["REPOCTL"], *words]


def machine(n: int) -> dict:
    status = ["running", "pending", "failed"][n % 3]
    return {
        "machine_id": f"i-0c4d{n:012d}", "status": status, "request_id": f"req-{n // 10}",
        "template_id": ["small-ondemand", "gpu-spot"][n % 2], "price": 0.0416 * (n % 7 + 1),
        "tags": {"project": "climate", "owner": "ada"},
    }


def fill() -> None:
    call("PUT", "/api/v1/collections/machines")
    for n in range(120):
        one = machine(n)
        call("PUT", f"/api/v1/collections/machines/documents/{one['machine_id']}", one)
    for name, content in [
        ("readings.csv", "sensor,celsius,at\n" + "".join(
            f"oven-{n % 3},{200 + n / 7:.2f},2026-03-01T08:{n:02d}:00Z\n" for n in range(40))),
        ("protocol.json", json.dumps({"steps": [{"heat": 200, "minutes": 30}, {"cool": True}]})),
        ("notes.md", "# Monday\n\nThe oven was calibrated. " + "Everything is as expected. " * 20),
    ]:
        entry = {"name": name, "content": content, "is_collection": False, "tags": ["oven"],
                 "description": f"{name} of the first run", "metadata": {"run": 1}}
        call("POST", "/v0.1/data-storage/data-entries", entry, **{"content-type": "application/json"})


def opens() -> None:
    step("every page opens, and can be reached with the keyboard")
    browser.open("/console")
    assert "well" in browser.text()
    browser.one("body").send_keys(Keys.TAB)
    assert browser.driver.switch_to.active_element.text == "To the content"
    pages = [link.get_attribute("href").removeprefix(url) for link in browser.all("nav a")]
    for path in pages:
        browser.open(path)
        assert browser.one("nav a[aria-current]").is_displayed()
        browser.looks_right("page" + path.removeprefix("/console").replace("/", "-"))


def filters() -> None:
    step("a collection is filtered and sorted, and the address has it")
    browser.open("/console/c/machines")
    field = browser.one("form.filter input")
    field.clear()
    field.send_keys('{"status": "running", "price": {"$lt": 0.1}}', Keys.ENTER)
    browser.until("only running ones", lambda: "pending" not in browser.one("#results").text)
    assert "filter=" in browser.driver.current_url
    assert len(browser.all("#results tbody tr")) > 3
    browser.looks_right("filtered")
    browser.driver.refresh()
    assert "pending" not in browser.one("#results").text
    wrong = browser.one("form.filter input")
    wrong.clear()
    wrong.send_keys('{"status": ', Keys.ENTER)
    browser.until("what is wrong", lambda: browser.all("[role=alert]"))
    browser.no_errors("a wrong filter", "400")
    browser.driver.back()


def edits() -> None:
    step("two people edit a document: the later one sees both texts")
    path = f"/api/v1/collections/machines/documents/{machine(3)['machine_id']}"
    browser.open("/console/c/machines?filter=%7B%22request_id%22%3A%22req-0%22%7D")
    browser.link(machine(3)["machine_id"]).click()
    browser.looks_right("document")
    browser.link("Edit").click()
    browser.looks_right("edit")
    text = browser.one("textarea")
    mine = machine(3) | {"status": "stopped", "note": "by hand"}
    text.clear()
    text.send_keys(json.dumps(mine))
    call("PUT", path, machine(3) | {"private_ip": "10.0.1.100"})
    browser.one("form.edit button").click()
    browser.until("the conflict", lambda: "Nothing was stored" in browser.text())
    browser.no_errors("a conflict", "409")
    assert json.loads(call("GET", path))["private_ip"] == "10.0.1.100"
    assert browser.all("del") and browser.all("ins")
    browser.picture("conflict-1280-light.png")
    browser.one("form.edit button").click()
    browser.until("it is stored", lambda: browser.all("pre.json"))
    assert json.loads(call("GET", path))["note"] == "by hand"
    # The query of the list is still there.
    browser.one("p.trail a").click()
    assert "req-0" in browser.one("form.filter input").get_attribute("value")


def uploads() -> None:
    step("a file is uploaded, looked at and downloaded")
    file = Path(place) / "table of results.csv"
    file.write_text("oven,celsius\na,201.50\nb,199.75\n")
    browser.open("/console/entries")
    browser.link("Upload").click()
    browser.looks_right("upload")
    browser.one("input[name=tags]").send_keys("oven, march")
    browser.one("textarea[name=description]").send_keys("what came out")
    browser.one("input[type=file]").send_keys(str(file))
    browser.one("form.fields button").click()
    browser.until("the entry", lambda: "table of results.csv" in browser.one("h1").text)
    assert "201.50" in browser.text() and "march" in browser.text()
    browser.looks_right("entry")
    link = browser.link("Download").get_attribute("href")
    assert urllib.request.urlopen(link).read() == file.read_bytes()
    for name in ["readings.csv", "protocol.json", "notes.md"]:
        browser.open("/console/entries")
        browser.link(name).click()
        browser.looks_right("entry-" + name.replace(".", "-"))


def moves() -> None:
    step("a store moves to another one while its page is open")
    stores = ["--source", f"sqlite:{place}/here.db", "--target", f"sqlite:{place}/there.db"]
    with subprocess.Popen(
        repoctl("live", "start", *stores, "--quiet"), stdout=subprocess.DEVNULL
    ) as mover:
        browser.open("/console/migrations")
        browser.until("the move is shown", lambda: browser.all("ol.phases"))
        browser.until(
            "it is ready", lambda: "ready" in browser.one("#live").text.lower()
        )
        browser.looks_right("migration")
        subprocess.run(repoctl("live", "switch", *stores), check=True, stdout=subprocess.DEVNULL)
        browser.until("it has moved", lambda: "switched" in browser.one("#live").text.lower())
        # The page looks again by itself: nobody has loaded it anew.
        call("PUT", f"/api/v1/collections/machines/documents/{machine(5)['machine_id']}", machine(5))
        subprocess.run(repoctl("live", "verify", *stores, "--quiet"), check=True, stdout=subprocess.DEVNULL)
        subprocess.run(repoctl("live", "finish", *stores), check=True, stdout=subprocess.DEVNULL)
        assert mover.wait(60) == 0
    browser.until("it is over", lambda: not browser.all("ol.phases"))
    browser.looks_right("moved")


def reads_without_script() -> None:
    step("every page can be read without a script")
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    for path in ["/console", "/console/entries", "/console/c/machines?sort=price%3Adesc"]:
        browser.open(path)
        assert len(browser.driver.find_element(By.TAG_NAME, "main").text) > 100, path
    form = browser.one("form.filter input")
    form.clear()
    form.send_keys('{"status": "failed"}', Keys.ENTER)
    end = time.monotonic() + 30
    while "filter=" not in browser.driver.current_url:
        assert time.monotonic() < end
    assert "pending" not in browser.one("#results").text
    browser.driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


try:
    fill()
    opens()
    filters()
    edits()
    uploads()
    moves()
    reads_without_script()
    step("all of it works")
finally:
    browser.driver.quit()
