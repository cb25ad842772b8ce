"""Pictures of pages, from a headless Chromium, controlled by its debugging pipe."""

import base64
import fcntl
import itertools
import json
import os
import shutil
import subprocess
import tempfile

import cv2
import numpy as np

# Boxes that a page reports: of the elements that ask for it, and of all visible characters in `.typed`.
BOXES = r"""(async () => {
    await document.fonts.ready;
    const box = r => [r.left, r.top, r.right, r.bottom].map(Math.round);
    const named = {};
    for (const element of document.querySelectorAll('[data-box]')) {
        (named[element.dataset.box] ??= []).push(box(element.getBoundingClientRect()));
    }
    const typed = [], range = document.createRange();
    for (const element of document.querySelectorAll('.typed')) {
        for (const node of element.childNodes) {
            for (let n = 0; n < node.length; n++) {
                if (/\s/.test(node.data[n])) continue;
                range.setStart(node, n); range.setEnd(node, n + 1);
                typed.push(box(range.getBoundingClientRect()));
            }
        }
    }
    return {named, typed, height: document.documentElement.scrollHeight};
})()"""


class Sheet:
    """A page's picture (BGR), its boxes, and those of its typed characters but spaces: left, top, right, bottom."""

    def __init__(self, pixels, boxes, typed):
        self.pixels = pixels
        self.boxes = boxes
        self.typed = typed


class Browser:
    """Use as a context. Each `sheet` is a page of its own."""

    def __enter__(self):
        program = shutil.which("chromium") or shutil.which("chromium-browser")
        if not program:
            raise SystemExit("chromium is not in PATH; it draws the pages: apt-get install chromium")
        self.profile = tempfile.mkdtemp(prefix="quality-chromium.")
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        # Out of the way of 3 and 4, where Chromium looks for them.
        ends = [fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (theirs_in, theirs_out)]
        self.process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{ends[0]} 4>&{ends[1]}', "bash", program, "--headless", "--no-sandbox"]
            + ["--remote-debugging-pipe", "--hide-scrollbars", "--disable-gpu", "--force-color-profile=srgb"]
            + ["--font-render-hinting=none", f"--user-data-dir={self.profile}", "about:blank"],
            pass_fds=ends,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        for end in (theirs_in, theirs_out, *ends):
            os.close(end)
        self.out = os.fdopen(ours_out, "wb", buffering=0)
        self.answers = os.fdopen(ours_in, "rb")
        self.numbers = itertools.count(1)
        self.page = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self.page = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        shutil.rmtree(self.profile, ignore_errors=True)

    def _call(self, method, **parameters):
        number = next(self.numbers)
        message = {"id": number, "method": method, "params": parameters}
        if self.page:
            message["sessionId"] = self.page
        self.out.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = json.loads(self._line())
            if answer.get("id") == number:
                if "error" in answer:
                    raise SystemExit(f"{method}: {answer['error']['message']}")
                return answer["result"]

    def _line(self):
        """One message. They are long, and end with a zero byte."""
        parts = []
        while True:
            part = self.answers.peek()
            if not part:
                raise SystemExit(f"chromium ended with {self.process.wait()}")
            end = part.find(b"\0")
            parts.append(self.answers.read(len(part) if end < 0 else end + 1))
            if end >= 0:
                return b"".join(parts)[:-1]

    def sheet(self, html, width, height=None):
        """Returns the picture of a page of this width and height, or as high as its content."""
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height or 800,
            deviceScaleFactor=1,
            mobile=False,
        )
        frame = self._call("Page.getFrameTree")["frameTree"]["frame"]["id"]
        self._call("Page.setDocumentContent", frameId=frame, html=html)
        found = self._call("Runtime.evaluate", expression=BOXES, awaitPromise=True, returnByValue=True)
        found = found["result"]["value"]
        clip = {"x": 0, "y": 0, "width": width, "height": height or found["height"], "scale": 1}
        shot = self._call("Page.captureScreenshot", format="png", clip=clip, captureBeyondViewport=True)
        pixels = cv2.imdecode(np.frombuffer(base64.b64decode(shot["data"]), np.uint8), cv2.IMREAD_COLOR)
        return Sheet(pixels, found["named"], found["typed"])
