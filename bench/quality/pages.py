"""The HTML of screens: slides, an editor, a terminal, articles, a call. The text is Python's own."""

import argparse
import base64
import calendar
import csv
import heapq
import html
import inspect
import re
import shlex
import string
import textwrap
from pydoc_data.topics import topics

import cv2

SANS = [
    "DejaVu Sans",
    "Noto Sans",
    "Nimbus Sans",
    "URW Gothic",
    "DejaVu Serif",
    "P052",
    "C059",
    "DejaVu Sans Condensed",
]
MONO = ["DejaVu Sans Mono", "Nimbus Mono PS", "Noto Sans Mono"]
LIGHT = [("#ffffff", "#111111"), ("#fdf6e3", "#3b4b52"), ("#f4f6f8", "#24292f"), ("#eeeeee", "#222222")]
DARK = [("#1e1e1e", "#d4d4d4"), ("#0d1117", "#c9d1d9"), ("#002b36", "#93a1a1"), ("#282a36", "#f8f8f2")]
ACCENTS = ["#0969da", "#c0392b", "#16a085", "#8e44ad", "#d35400", "#2c7a3f"]

PROSE = [re.sub(r"[*`_|]+|\[.*?\]|:\w+:", "", re.sub(r"\s+", " ", text)) for text in topics.values()]
SENTENCES = sorted({s for text in PROSE for s in re.findall(r"(?<=[.] )([A-Z][^.:;<>=+]{25,200})\.(?= )", text)})
CODE = [inspect.getsource(module) for module in (textwrap, heapq, shlex, calendar, csv, string, argparse)]


class Theme:
    """Fonts, colours and sizes of a clip."""

    def __init__(self, rng, height):
        self.rng = rng
        self.dark = rng.random() < 0.5
        self.back, self.fore = rng.choice(DARK if self.dark else LIGHT)
        self.accent = rng.choice(ACCENTS)
        self.sans = rng.choice(SANS)
        self.mono = rng.choice(MONO)
        self.size = round(height / 720 * rng.choice([20, 24, 28, 32]))
        """Of the slides' text, in pixels. Others go by it."""
        self.small = round(height / 720 * rng.choice([12, 13, 14, 16, 18]))

    def page(self, body, style=""):
        return f"""<!DOCTYPE html><meta charset="utf-8"><style>
            * {{ box-sizing: border-box; }}
            body {{ margin: 0; background: {self.back}; color: {self.fore}; font-family: '{self.sans}'; }}
            pre {{ font-family: '{self.mono}'; margin: 0; white-space: pre; tab-size: 4; }}
            h1, h2, th {{ color: {self.accent}; }} table {{ border-collapse: collapse; }}
            td, th {{ border: 1px solid {self.fore}88; padding: .3em .8em; }}
            {style}</style><body>{body}"""


def words(rng, fewest, most):
    """The beginning of a sentence."""
    found = rng.choice(SENTENCES).split()
    return html.escape(" ".join(found[: rng.randint(fewest, most)]).rstrip(","))


def image(source, frame, style):
    """A frame of a clip, as part of a page."""
    pixels = cv2.cvtColor(source.pixels[frame], cv2.COLOR_YUV2BGR_I420)
    data = base64.b64encode(cv2.imencode(".jpg", pixels)[1]).decode()
    return f'<img style="{style}" src="data:image/jpeg;base64,{data}">'


def code(rng, lines):
    """Some lines of a module, none of them too long."""
    text = [line[:96] for line in rng.choice(CODE).expandtabs(4).splitlines()]
    first = rng.randrange(0, max(1, len(text) - lines))
    return text[first : first + lines]


class Slide:
    """One slide of a deck: a title and points that appear one by one, perhaps next to a picture."""

    def __init__(self, theme, number, source):
        rng = theme.rng
        self.theme = theme
        self.title = words(rng, 2, 6)
        self.points = [words(rng, 3, 12) for _ in range(rng.choice([0, 2, 3, 4, 5]))]
        self.number = number
        self.aside = rng.choice([self._nothing, self._nothing, self._picture, self._chart, self._table, self._code])(
            rng, source
        )

    def _nothing(self, rng, source):
        return ""

    def _picture(self, rng, source):
        return image(source, rng.randrange(len(source.pixels)), "width: 38vw")

    def _chart(self, rng, source):
        bars = "".join(
            f'<rect x="{n * 60 + 10}" width="44" y="{300 - height}" height="{height}" fill="{self.theme.accent}"/>'
            for n, height in enumerate(rng.randint(30, 290) for _ in range(6))
        )
        return f'<svg viewBox="0 0 370 310" style="width: 36vw"><g>{bars}</g></svg>'

    def _table(self, rng, source):
        rows = "".join(f"<tr><td>{words(rng, 1, 2)}<td>{rng.randint(1, 9999)}<td>{rng.random():.2f}" for _ in range(5))
        return f"<table><tr><th>{words(rng, 1, 1)}<th>n<th>p{rows}</table>"

    def _code(self, rng, source):
        return f'<pre style="font-size: .55em">{html.escape(chr(10).join(line[:60] for line in code(rng, 12)))}</pre>'

    def html(self, shown):
        """With the first `shown` points."""
        points = "".join(
            f'<li style="visibility: {"visible" if n < shown else "hidden"}">{point}'
            for n, point in enumerate(self.points)
        )
        return self.theme.page(
            f"""<h1>{self.title}</h1><main><ul>{points}</ul><aside>{self.aside}</aside></main>
            <footer>{self.number}</footer>""",
            f"""body {{ height: 100vh; padding: 3vh 5vw; font-size: {self.theme.size}px; overflow: hidden; }}
                li {{ margin: .6em 0; }} main {{ display: flex; gap: 3vw; }} ul {{ flex: 1; }}
                footer {{ position: absolute; right: 3vw; bottom: 3vh; font-size: .6em; }}""",
        )


def editor(theme, lines, file, side):
    """An editor that shows `lines`. The box `code` is where they are."""
    numbers = "\n".join(f"{n + 1:4} " for n in range(len(lines)))
    files = "".join(f"<div>{name}</div>" for name in side)
    return theme.page(
        f"""<nav>{files}</nav><section><header>{file}</header><div id="code" data-box="code">
            <pre class="numbers">{numbers}</pre>
            <pre class="typed">{html.escape(chr(10).join(lines))}</pre></div></section>""",
        f"""body {{ display: flex; height: 100vh; font-size: {theme.small}px; overflow: hidden; }}
            nav {{ width: 14vw; padding: 1em; border-right: 1px solid {theme.fore}44; line-height: 1.7; }}
            section {{ flex: 1; }} header {{ padding: .5em 1em; border-bottom: 2px solid {theme.accent}; }}
            #code {{ display: flex; height: 100%; padding-top: .5em; }} pre {{ line-height: 1.45; }}
            .numbers {{ opacity: .45; }}""",
    )


def terminal(theme, lines, width):
    """All that a terminal will ever have printed, `lines` of (is_command, text), as one tall page."""
    body = "".join(
        f'<div data-box="{"command" if command else "output"}">'
        + (f"<b>$</b> {html.escape(text)}" if command else html.escape(text) or " ")
        + "</div>"
        for command, text in lines
    )
    return theme.page(
        f"<pre>{body}</pre>",
        f"body {{ width: {width}px; padding: 0 .6em; font-size: {theme.small + 2}px; }} pre {{ line-height: 1.3; }}"
        f"b {{ color: {theme.accent}; }}",
    )


def article(theme, source, paragraphs):
    """A page of the web, as tall as it likes."""
    rng = theme.rng
    parts = [f"<h1>{words(rng, 3, 7)}</h1>"]
    for _ in range(paragraphs):
        kind = rng.random()
        if kind < 0.12:
            parts.append(image(source, rng.randrange(len(source.pixels)), "width: 55%"))
        elif kind < 0.27:
            parts.append(f"<pre>{html.escape(chr(10).join(code(rng, rng.randint(4, 14))))}</pre>")
        elif kind < 0.4:
            parts.append(f"<h2>{words(rng, 2, 6)}</h2>")
        else:
            parts.append(f"<p>{html.escape('. '.join(rng.sample(SENTENCES, rng.randint(2, 5))))}.</p>")
    return theme.page(
        f"<article>{''.join(parts)}</article>",
        f"""article {{ width: {rng.choice([62, 75, 88])}%; margin: 0 auto; padding: 1em 0; line-height: 1.5; }}
            body {{ font-size: {theme.small + 3}px; }}
            pre {{ font-size: .85em; padding: 1em; background: {theme.fore}18; }}""",
    )


def address_bar(theme, title):
    """The top of a browser's window."""
    return theme.page(
        f"<div>{title}</div><p>https://example.org/{re.sub('[^a-z]+', '-', title.lower())}</p>",
        f"""body {{ font-size: {theme.small}px; padding: .4em 1em; height: 100vh;
                background: linear-gradient({theme.fore}22, {theme.fore}22), {theme.back}; }}
            p {{ margin: .4em 0 0; border-radius: 1em; padding: .3em 1em; background: {theme.back}; }}""",
    )


def video_page(theme, source):
    """A page with a place for a playing video, the box `video`."""
    rng = theme.rng
    comments = "".join(f"<p><b>{words(rng, 1, 2)}</b> {words(rng, 5, 16)}</p>" for _ in range(9))
    return theme.page(
        f"""<main><div data-box="video" class="video"></div><h2>{words(rng, 3, 8)}</h2><p>{words(rng, 9, 20)}</p>
            </main><aside>{comments}</aside>""",
        f"""body {{ display: flex; gap: 2vw; padding: 2vh 2vw; height: 100vh; overflow: hidden;
                font-size: {theme.small}px; }}
            main {{ width: {rng.choice([45, 55, 66])}vw; }} aside {{ flex: 1; }}
            .video {{ aspect-ratio: 16/9; background: black; }}""",
    )


def call(theme, people, shared):
    """A call: boxes `tile` for cameras, and one `shared` for a screen if there is one."""
    tiles = "".join(
        f'<figure><div data-box="tile"></div><figcaption>{words(theme.rng, 1, 2)}</figcaption></figure>'
        for _ in range(people)
    )
    columns = 1 if shared else (2 if people <= 4 else 3)
    # The screen keeps the shape of a screen, and even sides.
    screen = '<div class="shared" data-box="shared"></div>' if shared else ""
    return theme.page(
        f'{screen}<div class="tiles">{tiles}</div>',
        f"""body {{ display: flex; gap: 1vw; padding: 2vh 1vw; height: 100vh; overflow: hidden;
                font-size: {theme.small}px; }}
            .shared {{ width: 78vw; height: 78vh; }} figure {{ margin: 0; }}
            .tiles {{ flex: 1; display: grid; grid-template-columns: repeat({columns}, 1fr); gap: 1vw;
                align-content: center; justify-content: center; {"" if shared else "padding: 0 8vw;"} }}
            figure div {{ aspect-ratio: 16/9; background: #000; }}""",
    )


def digits(theme):
    """The parts of the clock: a box `digit` for each of 0 to 9, and for the colon."""
    cells = "".join(f'<span data-box="digit">{digit}</span>' for digit in "0123456789:")
    return theme.page(
        cells, f"body {{ font: {theme.small}px '{theme.mono}'; }} span {{ display: inline-block; padding: .3em 0; }}"
    )
