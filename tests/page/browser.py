# SPDX-License-Identifier: MIT
"""A headless Chromium, spoken to over a pipe with the DevTools protocol: enough to
open a page, look at it, press its keys, and hear of every error and request."""

import base64
import contextlib
import json
import os
import select
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from harness import needs, skip

FLAGS = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
         "--disable-background-networking", "--disable-component-update", "--disable-sync",
         "--hide-scrollbars", "--remote-debugging-pipe", "--lang=en-US"]
LIMIT_S = 30


class Browser:
    """One process for all pages (Page); a closed page leaves its tab to the next."""

    def __init__(self):
        program = needs("chromium")
        self.home = tempfile.mkdtemp(prefix="fuse_aio-chromium-")
        commands, self.to = os.pipe()
        self.answers, results = os.pipe()

        def pipes():
            # The browser reads 3 and writes 4, whatever numbers the pipes have here.
            high = os.dup(commands), os.dup(results)
            for number, fd in zip((3, 4), high):
                os.dup2(fd, number, inheritable=True)

        env = os.environ | {"HOME": self.home, "XDG_CONFIG_HOME": self.home, "XDG_CACHE_HOME": self.home}
        self.proc = subprocess.Popen([program, *FLAGS, f"--user-data-dir={self.home}/profile"], env=env,
                                     stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                     stderr=subprocess.DEVNULL, start_new_session=True, close_fds=False,
                                     preexec_fn=pipes)
        os.close(commands)
        os.close(results)
        self.number, self.rest, self.listeners, self.tabs = 0, b"", {}, []
        try:
            self.version = self.call("Browser.getVersion")["product"]
        except (EOFError, TimeoutError):
            self.close()
            skip("chromium does not start here")

    def read(self):
        """The next message."""
        end = time.monotonic() + LIMIT_S
        while b"\0" not in self.rest:
            left = end - time.monotonic()
            if left <= 0 or not select.select([self.answers], [], [], left)[0]:
                raise TimeoutError("chromium says nothing")
            got = os.read(self.answers, 1 << 20)
            if not got:
                raise EOFError("chromium has ended")
            self.rest += got
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def call(self, method, session=None, **params):
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        if session:
            message["sessionId"] = session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.to, data):]
        while True:
            answer = self.read()
            if answer.get("id") == self.number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']['message']}")
                return answer["result"]
            heard = self.listeners.get(answer.get("sessionId"))
            if heard is not None and "method" in answer:
                heard.append(answer)

    def tab(self):
        """The session of a tab that nobody uses. A new one costs a process."""
        if self.tabs:
            return self.tabs.pop()
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        return self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    def close(self):
        # The pipe at its end tells the browser to go; what it started is in its session.
        with contextlib.suppress(OSError, EOFError, TimeoutError, RuntimeError):
            self.call("Browser.close")
        os.close(self.to)
        try:
            self.proc.wait(5)
        except subprocess.TimeoutExpired:
            pass
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.proc.pid, signal.SIGKILL)
        self.proc.wait(5)
        os.close(self.answers)
        shutil.rmtree(self.home, ignore_errors=True)


class Page:
    """An open page. errors: what was thrown or logged; requests: addresses asked for."""

    def __init__(self, browser, path, width=1280, height=900, dark=False, still=False):
        self.browser = browser
        self.session = browser.tab()
        self.heard = browser.listeners[self.session] = []
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        self.size(width, height)
        self.call("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"},
            {"name": "prefers-reduced-motion", "value": "reduce" if still else "no-preference"}])
        address = Path(path).as_uri()
        self.call("Page.navigate", url=address)
        end = time.monotonic() + LIMIT_S
        while self.js("document.readyState + location.href") != "complete" + address:
            if time.monotonic() > end:
                raise TimeoutError("the page does not load")
            time.sleep(0.01)
        self.settle()

    def call(self, method, **params):
        return self.browser.call(method, self.session, **params)

    def js(self, expression):
        """The value of an expression in the page; promises are waited for."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in result:
            raise AssertionError(result["exceptionDetails"]["exception"].get("description"))
        return result["result"].get("value")

    def settle(self):
        """Two frames on: observers of sizes have been heard, drawings are drawn again."""
        self.call("Page.bringToFront")      # the others have no frames
        self.js("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))")

    def size(self, width, height):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1,
                  mobile=width < 600)

    def key(self, key, text=None):
        codes = {"Enter": 13, "Escape": 27, "Tab": 9, "ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39,
                 "ArrowDown": 40}
        text = text or {"Enter": "\r"}.get(key) or (key if len(key) == 1 else None)
        about = {"key": key, "windowsVirtualKeyCode": codes.get(key, ord(key[0].upper()))}
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown",
                  **about, **({"text": text} if text else {}))
        self.call("Input.dispatchKeyEvent", type="keyUp", **about)

    def mouse(self, kind, x, y):
        held = kind != "mouseMoved" or getattr(self, "down", False)
        self.down = kind == "mousePressed" or (kind == "mouseMoved" and held)
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, clickCount=1,
                  button="left" if held else "none", buttons=1 if self.down else 0)

    def center(self, selector):
        """Scrolls there; where the middle of it is in the window."""
        return self.js(f"""(() => {{ const e = document.querySelector({json.dumps(selector)});
            e.scrollIntoView({{ block: "center", behavior: "instant" }});
            const r = e.getBoundingClientRect();
            return [r.left + r.width / 2, r.top + r.height / 2]; }})()""")

    def text(self, selector):
        return self.js(f"document.querySelector({json.dumps(selector)}).textContent")

    def screenshot(self, path):
        height = self.js("document.documentElement.scrollHeight")
        width = self.js("innerWidth")
        data = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip={"x": 0, "y": 0, "width": width, "height": height, "scale": 1})["data"]
        with open(path, "wb") as f:
            f.write(base64.b64decode(data))

    def problems(self):
        """Errors, warnings and messages of the console so far."""
        self.js("0")
        found = []
        for event in self.heard:
            p = event["params"]
            if event["method"] == "Runtime.exceptionThrown":
                found.append(p["exceptionDetails"].get("exception", {}).get("description", str(p)))
            elif event["method"] == "Runtime.consoleAPICalled":
                found.append(str(p["args"]))
            elif event["method"] == "Log.entryAdded":
                found.append(p["entry"]["text"])
        return found

    def requests(self):
        self.js("0")
        return [e["params"]["request"]["url"] for e in self.heard if e["method"] == "Network.requestWillBeSent"]

    def close(self):
        self.call("Page.navigate", url="about:blank")
        self.browser.listeners.pop(self.session)
        self.browser.tabs.append(self.session)
