"""The dashboard as a browser shows it: the demo serves, requests come, the page is read. And the report of `bench`.

Every check is an assertion; the first that fails ends the run with its words."""

import argparse
import concurrent.futures
import contextlib
import io
import json
import os
import pathlib
import random
import re
import subprocess
import tempfile
import time
import urllib.error
import urllib.request

from PIL import Image
from playwright.sync_api import sync_playwright

WAIT_S = 120
WIDE = {"width": 1180, "height": 900}
NARROW = {"width": 360, "height": 740}


@contextlib.contextmanager
def demo(binary):
    """The demo, where its API and its dashboard are, and its process."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLUICEGATE_"))}
        command = [
            binary, "demo", "--data-dir", f"{folder}/data", "--listen", "127.0.0.1:0", "--store-listen", "127.0.0.1:0",
            "--admin", "127.0.0.1:0", "--workers", "2",
        ]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
        try:
            banner = []
            for line in process.stdout:
                banner.append(line)
                if "Ctrl-C" in line:
                    break
            text = "".join(banner)
            api = re.search(r"API is at (http://\S+)", text).group(1)
            admin = re.search(r"dashboard is at (http://\S+)", text).group(1)
            yield api, admin, process
        finally:
            if process.poll() is None:
                process.terminate()
            process.wait(WAIT_S)


def ask(url, method="GET", body=None, **fields):
    request = urllib.request.Request(url, data=body, method=method, headers={k.replace("_", "-"): v for k, v in fields.items()})
    try:
        with urllib.request.urlopen(request, timeout=WAIT_S) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as fault:
        return fault.code, fault.read()


class Traffic:
    """A known count of requests of each kind."""

    def __init__(self, api):
        self.api = api
        self.sent = {"get": 0, "put": 0, "list": 0, "missing": 0, "nowhere": 0}

    def round(self, kind):
        self.sent[kind] += 1
        if kind == "put":
            octets = {"Content_Type": "application/octet-stream"}
            assert ask(f"{self.api}/s3?key=sample/k", "PUT", b"x" * 20_000, **octets)[0] == 200
        elif kind == "get":
            assert ask(f"{self.api}/s3?key=sample/sluice.png", Accept="application/octet-stream")[0] == 200
        elif kind == "list":
            assert ask(f"{self.api}/sample")[0] == 200
        elif kind == "missing":
            assert ask(f"{self.api}/s3?key=sample/never-put", Accept="application/octet-stream")[0] >= 400
        else:
            assert ask(f"{self.api}/no/such/path/at/all")[0] == 403

    @property
    def total(self):
        return sum(self.sent.values())

    def burst(self, seconds, rate):
        """Requests for some seconds, about so many a second, the slower kinds rarer."""
        kinds = ["get"] * 12 + ["list"] * 4 + ["put"] * 5 + ["missing"] + ["nowhere"]
        until = time.monotonic() + seconds
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            while time.monotonic() < until:
                begun = time.monotonic()
                share = rate / 5 * random.uniform(0.6, 1.4)
                jobs = [pool.submit(self.round, random.choice(kinds)) for _ in range(int(share))]
                for job in jobs:
                    job.result()
                time.sleep(max(0, begun + 0.2 - time.monotonic()))


def number(text):
    """The number that a cell shows; thin blanks separate thousands."""
    return float(re.sub(r"[^\d.]", "", text.split(" ")[0].replace("\u202f", "")) or "nan")


def wait_for(what, check):
    until = time.monotonic() + WAIT_S
    while True:
        value = check()
        if value:
            return value
        assert time.monotonic() < until, f"waited {WAIT_S} s for {what}"
        time.sleep(0.1)


class Watched:
    """A page whose errors and requests are noted."""

    def __init__(self, browser, admin, viewport, scheme="light", motion="no-preference", scale=1):
        self.context = browser.new_context(viewport=viewport, color_scheme=scheme, reduced_motion=motion, device_scale_factor=scale)
        self.page = self.context.new_page()
        self.errors, self.outside = [], []
        self.page.on("console", lambda message: message.type in ("error", "warning") and self.errors.append(message.text))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: request.url.startswith((admin, "data:")) or self.outside.append(request.url))
        self.page.goto(admin)
        self.page.wait_for_function("document.getElementById('state').dataset.state === 'ready'")

    def text(self, selector):
        return self.page.locator(selector).inner_text()

    def check_quiet(self):
        assert not self.errors, f"the console says {self.errors}"
        assert not self.outside, f"requests went to {self.outside}"

    def check_width(self):
        width, inside = self.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert width <= inside, f"the page is {width} wide in a window of {inside}"


def contrast(page, selector):
    """WCAG 2 contrast of a text on the first background behind it that is not transparent."""
    return page.evaluate(
        """(selector) => {
        const parse = (text) => text.match(/[\\d.]+/g).map(Number);
        const light = ([r, g, b]) => { const f = (v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; return 0.2126 * f(r) + 0.7152 * f(g) + 0.0722 * f(b); };
        let node = document.querySelector(selector);
        const ink = parse(getComputedStyle(node).color);
        let paper = [255, 255, 255];
        for (; node; node = node.parentElement) { const c = parse(getComputedStyle(node).backgroundColor); if (c.length < 4 || c[3] > 0) { paper = c; break; } }
        const [a, b] = [light(ink), light(paper)].sort((x, y) => y - x);
        return (a + 0.05) / (b + 0.05);
    }""",
        selector,
    )


def check_numbers(watched, traffic, admin):
    page = watched.page

    def rate_and_latencies():
        """Read with the count: they are of the last ten seconds, which may be over when a slow machine looks at them."""
        if number(watched.text("#all-requests")) == traffic.total + traffic.before:
            return watched.text("#rate"), watched.text("#p50"), watched.text("#p99")
        return None

    rate, p50, p99 = wait_for("all requests on the page", rate_and_latencies)
    stats = json.loads(ask(f"{admin}stats")[1])
    assert stats["totals"]["requests"] == traffic.total + traffic.before, stats["totals"]
    rows = page.locator("#routes tbody tr").all_inner_texts()
    shown = {row.split("\t")[0]: row.split("\t")[1:] for row in rows}
    nowhere = next(cells for name, cells in shown.items() if "no such method" in name)
    assert number(nowhere[0]) == traffic.sent["nowhere"], nowhere
    assert number(nowhere[2]) == traffic.sent["nowhere"], "they are 4xx"
    put = next(cells for name, cells in shown.items() if name.startswith("PUT") and "/s3" in name)
    assert number(put[0]) == traffic.sent["put"], put
    assert put[7].startswith(str(trim(traffic.sent["put"] * 20_000 / 1024 / 1024))), (put[7], traffic.sent["put"])
    assert number(rate) > 0
    assert re.match(r"[\d.]+ (µs|ms|s)$", p50) and re.match(r"[\d.]+ (µs|ms|s)$", p99), (p50, p99)
    assert watched.text("#store-health") == "answers"
    assert "usable" in watched.text("#keys")
    metrics = ask(f"{admin}metrics")[1].decode()
    counted = sum(int(n) for n in re.findall(r"^sluicegate_requests_total\{.*\} (\d+)$", metrics, re.M))
    assert counted == traffic.total + traffic.before, counted


def trim(number):
    """As the page shortens a number below 100."""
    return (f"{number:.1f}" if number >= 10 else f"{number:.2f}").rstrip("0").rstrip(".")


def check_drawings(page):
    """The canvases hold more than one colour: something is drawn."""
    for name in ("heat", "classes"):
        colors = lambda: page.evaluate(
            """(id) => { const c = document.getElementById(id); const d = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
            const seen = new Set(); for (let i = 0; i < d.length; i += 4) seen.add(d[i] + ',' + d[i+1] + ',' + d[i+2] + ',' + d[i+3]); return seen.size; }""",
            name,
        )
        wait_for(f"{name} to have more than four colours", lambda: colors() > 4)


def check_controls(watched):
    page = watched.page
    names = lambda: [row.split("\t")[0] for row in page.locator("#routes tbody tr").all_inner_texts()]
    page.locator("th[data-key=name] button").click()
    assert page.locator("th[data-key=name]").get_attribute("aria-sort") == "ascending"
    ascending = names()
    page.locator("th[data-key=name] button").click()
    assert names() == ascending[::-1], names()
    page.locator("th[data-key=requests] button").click()
    counts = [number(row.split("\t")[1]) for row in page.locator("#routes tbody tr").all_inner_texts()]
    assert counts == sorted(counts, reverse=True), counts
    page.locator("#heat").focus()
    page.keyboard.press("ArrowLeft")
    assert "requests of that second" in watched.text("#heat-told")
    box = page.locator("#heat").bounding_box()
    page.mouse.move(box["x"] + box["width"] - 20, box["y"] + box["height"] / 2)
    assert re.search(r" to .*: \d+ of \d+ requests", watched.text("#heat-told"))
    page.mouse.move(0, 0)
    page.locator("label", has_text="1 min").click()
    assert "1 min:" in watched.text("#classes-told")
    page.locator("label", has_text="5 min").click()
    page.get_by_role("button", name="Pause").click()
    assert page.locator("#pause").get_attribute("aria-pressed") == "true"
    page.get_by_role("button", name="Go on").click()


def check_contrast(page):
    for selector in ("#about", "#state", ".tile dt", "#rate", ".legend", ".readout", ".facts dt", ".health", "td.text span", "th button", ".keys em", ".keys span", ".span input:checked + span"):
        found = contrast(page, selector)
        assert found >= 4.5, f"{selector} has a contrast of {found:.2f}"


class Report:
    """The page of `bench --html` in one window; it must say everything by itself."""

    def __init__(self, browser, path, viewport, scheme="light"):
        self.page = browser.new_context(viewport=viewport, color_scheme=scheme).new_page()
        self.outside, self.errors = [], []
        self.page.on("request", lambda request: request.url == path.as_uri() or self.outside.append(request.url))
        self.page.on("console", lambda message: self.errors.append(message.text))
        self.page.goto(path.as_uri())

    def check(self):
        assert not self.outside and not self.errors, (self.outside, self.errors)
        width, inside = self.page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        assert width <= inside, f"the report is {width} wide in a window of {inside}"
        drawn = self.page.evaluate("[...document.querySelectorAll('svg')].map((svg) => [...svg.querySelectorAll('path')].map((path) => Math.ceil(path.getTotalLength())))")
        assert len(drawn) == 3 and all(lengths and min(lengths) > 100 for lengths in drawn), drawn
        assert self.page.locator("pre").inner_text().count("stored whole") == 4
        for selector in ("body", ".good", ".note", ".key", "pre"):
            found = contrast(self.page, selector)
            assert found >= 4.5, f"{selector} of the report has a contrast of {found:.2f}"
        for picture in self.page.evaluate(TEXT_BOXES):
            for number, (text, left, top, right, bottom, size) in enumerate(picture):
                assert size >= 9.5, f"{text} has letters of {size:.1f} pixels"
                assert left >= 0 and right <= inside, f"{text} from {left:.0f} to {right:.0f} leaves a window of {inside}"
                for other, l, t, r, b, _ in picture[:number]:
                    apart = right <= l or r <= left or bottom <= t or b <= top
                    assert apart, f"'{text}' and '{other}' lie on each other"


# Of each plot its texts, as wide and high as their letters are about, and the size of these.
TEXT_BOXES = """[...document.querySelectorAll('svg')].map((svg) => [...svg.querySelectorAll('text')].map((text) => {
    const box = text.getBoundingClientRect(), air = box.height * 0.2, scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    return [text.textContent, box.left, box.top + air, box.right, box.bottom - air, scale * parseFloat(getComputedStyle(text).fontSize)];
}))"""


def check_report(browser, binary, api):
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "report.html")
        command = [binary, "bench", "--target", api, "--rate", "300", "--duration", "4", "--warm-up", "1", "--ladder", "--quiet", "--html", path]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        for viewport, scheme in ((WIDE, "light"), (WIDE, "dark"), (NARROW, "light"), (NARROW, "dark")):
            Report(browser, path, viewport, scheme).check()


def run(arguments):
    random.seed(7)
    shots = arguments.screenshots and pathlib.Path(arguments.screenshots)
    with demo(arguments.binary) as (api, admin, process), sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=arguments.chromium, args=["--no-sandbox"])
        traffic = Traffic(api)
        # What the demo itself asked for at its start goes past the gateway, so nothing is counted yet.
        traffic.before = json.loads(ask(f"{admin}stats")[1])["totals"]["requests"]
        assert traffic.before == 0, traffic.before
        wide = Watched(browser, admin, WIDE)
        assert wide.text("#no-routes") == "No request yet."
        traffic.burst(arguments.seconds, arguments.rate)
        check_numbers(wide, traffic, admin)
        check_drawings(wide.page)
        check_controls(wide)
        check_contrast(wide.page)
        wide.check_width()
        dark = Watched(browser, admin, WIDE, scheme="dark", motion="reduce")
        narrow = Watched(browser, admin, NARROW, scale=2)
        traffic.burst(3, arguments.rate)
        for watched in (wide, dark, narrow):
            shown = lambda: number(watched.text("#all-requests")) == traffic.total + traffic.before
            wait_for("all requests on each page", shown)
        check_contrast(dark.page)
        check_drawings(dark.page)
        for watched in (narrow, dark):
            watched.check_width()
        if shots:
            shots.mkdir(parents=True, exist_ok=True)
            wide.page.locator("label", has_text="1 min").click()
            for name, watched in (("dashboard", wide), ("dashboard-dark", dark), ("dashboard-narrow", narrow)):
                picture(watched.page, shots / f"{name}.png", full_page=True)
        for watched in (wide, dark, narrow):
            watched.check_quiet()
        check_report(browser, arguments.binary, api)
        check_end(wide, process)
        if shots:
            picture(wide.page, shots / "dashboard-lost.png")
        assert not wide.outside, wide.outside
        browser.close()
    print(f"the dashboard showed {traffic.total} requests right, in wide, dark and narrow windows; so is the report of bench")


def picture(page, path, **options):
    """A screenshot in few colours, which takes a third of the bytes."""
    image = Image.open(io.BytesIO(page.screenshot(**options))).convert("RGB")
    few = image.quantize(192, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(path, optimize=True)


def check_end(watched, process):
    """The process ends: the page says so and keeps its last numbers."""
    before = watched.text("#all-requests")
    process.terminate()
    assert process.wait(WAIT_S) == 0
    watched.page.wait_for_selector("#alert:not([hidden])", timeout=WAIT_S * 1000)
    assert "not reachable" in watched.text("#alert")
    assert watched.text("#state-text") == "not reachable"
    assert watched.text("#all-requests") == before


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--chromium", required=True)
    parser.add_argument("--screenshots", help="folder for pictures")
    parser.add_argument("--seconds", type=float, default=6)
    parser.add_argument("--rate", type=float, default=60)
    run(parser.parse_args())
