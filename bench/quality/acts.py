"""Actions on a screen: each act gives beats, stretches of time in which its content rests or moves in one way."""

import collections.abc
import dataclasses

import cv2
import numpy as np

import pages


TALLEST = 15_000
"""Pixels: Chromium draws no more than 16384 into one picture."""


@dataclasses.dataclass
class Beat:
    """A stretch of time."""

    seconds: float
    draw: collections.abc.Callable
    """From how much of the stretch is over, 0 to 1, to the picture (BGR)."""
    kind: str
    """The change that begins it, for the label: `slide`, `bullet`, `typing`, `scroll`, ..."""
    content: str | None
    """Names the content to be read, equal whenever the same is shown; none while it moves."""
    tiles: list = dataclasses.field(default_factory=list)
    """Place of a playing video, which is no content: (left, top, right, bottom), source, first frame."""
    caret: tuple | None = None
    """Left, top and bottom of one that blinks."""


def rest(seconds, pixels, kind, content, tiles=(), caret=None):
    return Beat(seconds, lambda _: pixels, kind, content, list(tiles), caret)


def transition(rng, before, after, tiles=()):
    """Beats that lead from one picture to another: none for a cut, or a fade, or a push."""
    way = rng.choice(["cut", "cut", "fade", "push"])
    if way == "cut" or before is None:
        return []

    def fade(part):
        return cv2.addWeighted(before, 1 - part, after, part, 0)

    def push(part):
        left = round(before.shape[1] * part * part * (3 - 2 * part))
        return np.hstack([before[:, left:], after[:, :left]])

    return [Beat(rng.uniform(0.3, 0.8), fade if way == "fade" else push, way, None, list(tiles))]


class Stage:
    """Where acts play: the browser that draws, the theme, the size of the screen, the clips that play in it."""

    def __init__(self, rng, browser, theme, width, height, sources):
        self.rng = rng
        self.browser = browser
        self.theme = theme
        self.width = width
        self.height = height
        self.sources = sources
        self.names = 0

    def sheet(self, html, width=None, height=None):
        """As large as the screen by default."""
        return self.browser.sheet(html, width or self.width, height or self.height)

    def tall_sheet(self, html):
        """As wide as the screen, and as high as its content."""
        return self.browser.sheet(html, self.width)

    def name(self, kind):
        """Of a content that there was not yet."""
        self.names += 1
        return f"{kind}{self.names}"

    def footage(self):
        source = self.rng.choice(self.sources)
        return source, self.rng.randrange(len(source.pixels))


def slides(stage, seconds, width=None, height=None):
    """A deck whose points come one by one; a slide comes back."""
    rng = stage.rng
    beats, before, spent = [], None, 0
    deck, name, content = [], None, None
    while spent < seconds:
        if len(deck) >= 2 and rng.random() < 0.25:
            name, slide = rng.choice([known for known in deck if known[0] != name])
            shown = range(len(slide.points), len(slide.points) + 1)
        else:
            name, slide = stage.name("slide"), pages.Slide(stage.theme, len(deck) + 1, rng.choice(stage.sources))
            # Some show all at once.
            shown = range(0 if rng.random() < 0.75 else len(slide.points), len(slide.points) + 1)
            deck.append((name, slide))
        softly = rng.random() < 0.3
        for count in shown:
            pixels = stage.sheet(slide.html(count), width, height).pixels
            # A point below the lower edge is no new content.
            is_new = count == shown.start or not np.array_equal(pixels, before)
            content = f"{name}.{count}" if is_new else content
            if count == shown.start:
                beats += transition(rng, before, pixels)
            elif softly:
                way = _blend(before, pixels)
                beats.append(Beat(rng.uniform(0.2, 0.5), way, "bullet", None if is_new else content))
            pause = rng.choice([rng.uniform(0.5, 1.5), rng.uniform(1.2, 3), rng.uniform(2, 6)])
            beats.append(rest(pause, pixels, "slide" if count == shown.start else "bullet", content))
            before = pixels
        spent = sum(beat.seconds for beat in beats)
    return beats


def _blend(before, after):
    return lambda part: cv2.addWeighted(before, 1 - part, after, part, 0)


def editor(stage, seconds):
    """Code is typed, with pauses; now and then another file is opened."""
    rng, theme = stage.rng, stage.theme
    rate = rng.uniform(5, 14)
    beats, spent = [], 0
    while spent < seconds:
        name = stage.name("file")
        lines = pages.code(rng, int(stage.height * 0.9 / (theme.small * 1.45)))
        side = [pages.words(rng, 1, 1).lower() + ".py" for _ in range(9)]
        full = stage.sheet(pages.editor(theme, lines, f"{name}.py", side))
        blank = stage.sheet(pages.editor(theme, [], f"{name}.py", side))
        typed = full.typed
        view = _Typed(blank.pixels, full.pixels, full.boxes["code"][0], typed)
        count = rng.randrange(len(typed) // 3, max(len(typed) // 3 + 1, len(typed) - 60))
        beats.append(view.rest(rng.uniform(1, 4), count, "file", name))
        for _ in range(rng.randint(2, 7)):
            end = min(len(typed), count + rng.choice([rng.randint(8, 25), rng.randint(20, 90)]))
            if end == count:
                break
            beats.append(view.typing((end - count) / rate, count, end))
            count = end
            beats.append(view.rest(rng.choice([rng.uniform(0.3, 0.9), rng.uniform(1.1, 5)]), count, "typed", name))
        spent = sum(beat.seconds for beat in beats)
    return beats


class _Typed:
    """A page of code, from which only the first characters are shown."""

    def __init__(self, blank, full, area, typed):
        self.blank, self.full, self.area, self.typed = blank, full, area, typed
        tops = sorted({box[1] for box in typed})
        pitch = min(b - a for a, b in zip(tops, tops[1:], strict=False))
        # Letters reach beyond their boxes, but not into another line.
        self.reach = (pitch - (typed[0][3] - typed[0][1])) // 2

    def draw(self, count):
        pixels = self.blank.copy()
        left, first, right, _ = self.area
        _, top, end, bottom = self.typed[max(0, count - 1)]
        pixels[first : bottom + self.reach, left:right] = self.full[first : bottom + self.reach, left:right]
        pixels[top - self.reach : bottom + self.reach, end:right] = self.blank[-1, right - 1]
        return pixels

    def rest(self, seconds, count, kind, name):
        _, top, end, bottom = self.typed[max(0, count - 1)]
        return rest(seconds, self.draw(count), kind, f"{name}.{count}", caret=(end + 1, top, bottom))

    def typing(self, seconds, count, end):
        return Beat(seconds, lambda part: self.draw(count + round((end - count) * part)), "typing", None)


def terminal(stage, seconds):
    """Commands are typed; their output comes at once, or line by line, and scrolls."""
    rng, theme = stage.rng, stage.theme
    printed = []
    while len(printed) * (theme.small + 2) * 1.3 < TALLEST - 1000:
        printed.append((True, pages.html.unescape(pages.words(rng, 2, 6)).lower()))
        printed += [(False, line) for line in pages.code(rng, rng.choice([2, 4, 10, 30]))]
    sheet = stage.tall_sheet(pages.terminal(theme, printed, stage.width))
    boxes = {"command": iter(sheet.boxes["command"]), "output": iter(sheet.boxes["output"])}
    rows = [next(boxes["command" if command else "output"]) for command, _ in printed]
    back = sheet.pixels[0, -1]
    name = stage.name("terminal")

    def view(row, right=None):
        """With all rows before `row`, and the part of that one left of `right`."""
        bottom = rows[row - 1][3] if row else 0
        last = rows[row][3] if right is not None else bottom
        first = max(0, last - stage.height + 8)
        pixels = np.empty((stage.height, stage.width, 3), np.uint8)
        pixels[:] = back
        pixels[: bottom - first] = sheet.pixels[first:bottom]
        if right is not None:
            pixels[bottom - first : last - first, :right] = sheet.pixels[bottom:last, :right]
        return pixels

    def prints(row, end):
        return lambda part: view(row + round((end - row) * part))

    def types(row, text):
        # Monospaced: a character is as wide as any other.
        return lambda part: view(row, round(theme.small * 1.3 + (len(text) + 2) * part * (theme.small + 2) * 0.62))

    row = rng.choice([n for n, (command, _) in enumerate(printed[:100]) if command])
    beats = [rest(rng.uniform(1, 3), view(row), "terminal", f"{name}.{row}")]
    while sum(beat.seconds for beat in beats) < seconds and row < len(rows) - 40:
        beats.append(Beat(len(printed[row][1]) / rng.uniform(6, 14), types(row, printed[row][1]), "typing", None))
        row += 1
        end = next(n for n in range(row, len(printed)) if printed[n][0])
        way = rng.random()
        if way < 0.4:
            beats.append(Beat((end - row) * rng.uniform(0.06, 0.4), prints(row, end), "output", None))
        row = end
        beats.append(
            rest(rng.choice([rng.uniform(0.4, 0.9), rng.uniform(1.1, 5)]), view(row), "output", f"{name}.{row}")
        )
    return beats


def browsing(stage, seconds):
    """Articles are scrolled through; another one is opened."""
    rng, theme = stage.rng, stage.theme
    beats = []
    bar_height = round(theme.small * 4.6) // 2 * 2
    height = stage.height - bar_height
    while sum(beat.seconds for beat in beats) < seconds:
        name = stage.name("article")
        bar = stage.sheet(pages.address_bar(theme, name), height=bar_height).pixels
        tall = stage.tall_sheet(pages.article(theme, rng.choice(stage.sources), rng.randint(8, 25))).pixels[:TALLEST]
        tall = np.vstack([tall, np.full((max(0, height - len(tall)), *tall.shape[1:]), tall[-1, -1], np.uint8)])

        def view(top, bar=bar, tall=tall):
            return np.vstack([bar, tall[top : top + height]])

        def scroll(top, end, view=view):
            # A wheel: quick at first, then slower.
            return lambda part: view(round(top + (end - top) * (1 - (1 - part) ** 2)))

        if rng.random() < 0.4:
            empty = np.vstack([bar, np.full_like(tall[:height], tall[-1, -1])])
            beats.append(Beat(rng.uniform(0.1, 0.5), lambda _, empty=empty: empty, "page", None))
        top = 0
        beats.append(rest(rng.uniform(1, 5), view(top), "page", f"{name}.{top}"))
        for _ in range(rng.randint(0, 6)):
            end = min(len(tall) - height, max(0, top + round(height * rng.choice([-0.6, 0.15, 0.3, 0.5, 0.9, 1.5]))))
            if end == top:
                break
            beats.append(Beat(rng.uniform(0.2, 1.2), scroll(top, end), "scroll", None))
            top = end
            beats.append(
                rest(rng.choice([rng.uniform(0.4, 0.9), rng.uniform(1.1, 4)]), view(top), "scroll", f"{name}.{top}")
            )
    return beats


def video(stage, seconds):
    """A video plays in a page that does not change."""
    sheet = stage.sheet(pages.video_page(stage.theme, None))
    tile = (tuple(sheet.boxes["video"][0]), *stage.footage())
    return [rest(min(seconds, stage.rng.uniform(8, 25)), sheet.pixels, "page", stage.name("video"), [tile])]


def call(stage, seconds):
    """Cameras only, or next to a shared deck."""
    rng = stage.rng
    shared = rng.random() < 0.65
    people = rng.randint(2, 4) if shared else rng.randint(2, 6)
    sheet = stage.sheet(pages.call(stage.theme, people, shared))
    tiles = [(tuple(box), *stage.footage()) for box in sheet.boxes["tile"]]
    if not shared:
        return [rest(min(seconds, rng.uniform(6, 20)), sheet.pixels, "call", stage.name("call"), tiles)]
    left, top, right, bottom = sheet.boxes["shared"][0]

    def within(draw):
        def drawn(part):
            pixels = sheet.pixels.copy()
            pixels[top:bottom, left:right] = draw(part)
            return pixels

        return drawn

    beats = slides(stage, seconds, right - left, bottom - top)
    return [dataclasses.replace(beat, draw=within(beat.draw), tiles=tiles) for beat in beats]
