"""Makes screens on which one number changes in place, with its times known: a board with a clock, a caret and a moving tile.

Each clip has 40 states of 2 s. From one to the next, one digit of the number changes, or all of them, or a word does.
"""

import json
import os
import random
import subprocess

STATES = 40
SECONDS = 2
RATE = 15
FONT = "/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf"
BOLD = "/usr/share/fonts/truetype/dejavu/DejaVuSans-Bold.ttf"
HEIGHTS = {720: 1280, 1080: 1920, 1440: 2560}
SIZES = [20, 32, 60, 120]
THEMES = {"light": ("0xf4f4f2", "0x202020"), "dark": ("0x16181d", "0xd8dae0")}
QUALITIES = {"crf23": "-crf 23", "low": ""}
WORDS = ["open", "sold", "ready", "busy", "done", "late"]
LINES = [
    "Orders of today and what is left of them",
    "North  river  stone  market  window",
    "South  garden  copper  orbit  velvet",
    "West  summit  bridge  candle  anchor",
]


def numbers(seed):
    """The texts of the states."""
    rng = random.Random(seed)
    digits, word = [rng.randrange(10) for _ in range(4)], 0
    texts = []
    for n in range(STATES):
        texts.append("{}{}.{}{}".format(*digits) + f"  {WORDS[word]}")
        if n % 8 == 7:
            word = (word + rng.randrange(1, len(WORDS))) % len(WORDS)
        elif n % 4 == 3:
            digits = [(digit + rng.randrange(1, 10)) % 10 for digit in digits]
        else:
            place = rng.randrange(4)
            digits[place] = (digits[place] + rng.randrange(1, 10)) % 10
    return texts


def text(string, size, x, y, colour, font=FONT, enable=None):
    shown = string.replace(":", "\\:")
    drawn = f"drawtext=fontfile={font}:fontsize={size}:x={x}:y={y}:fontcolor={colour}:text='{shown}'"
    return drawn + (f":enable='{enable}'" if enable else "")


def graph(height, size, theme, texts):
    """The board; all but the number is as large as on a board of 720 rows."""
    back, fore = THEMES[theme]
    width, unit = HEIGHTS[height], height / 720
    side = int(24 * unit)
    number = (int(80 * unit), int(300 * unit))
    parts = [f"color=c={back}:s={width}x{height}:r={RATE}:d={STATES * SECONDS}[page]"]
    parts.append(f"movie=tile.mkv,setpts=N/{RATE}/TB,scale={int(320 * unit)}:{int(180 * unit)}[tile]")
    drawn = [f"[page][tile]overlay=x={int(900 * unit)}:y={int(60 * unit)}:shortest=1"]
    for n, line in enumerate(LINES):
        drawn.append(text(line, side, number[0], int((60 + 48 * n) * unit), fore))
    drawn.append(text("Price", max(size // 2, 16), number[0], number[1] - max(size // 2, 16) - int(12 * unit), fore))
    for n, string in enumerate(texts):
        begin = n * SECONDS - 0.01
        drawn.append(text(string, size, *number, fore, BOLD, f"gte(t,{begin})*lt(t,{begin + SECONDS})"))
    clock = "%{eif\\:12+floor(t/3600)\\:d\\:2}\\:%{eif\\:mod(floor(t/60)\\,60)\\:d\\:2}\\:%{eif\\:mod(floor(t)\\,60)\\:d\\:2}"
    drawn.append(
        f"drawtext=fontfile={FONT}:fontsize={int(18 * unit)}:x=w-tw-{int(20 * unit)}:y=h-{int(32 * unit)}"
        f":fontcolor={fore}:text='{clock}'"
    )
    x, y = int(80 * unit), int(560 * unit)
    drawn.append(text("Note to the buyer", side, x, y, fore))
    drawn.append(
        f"drawbox=x={x + int(230 * unit)}:y={y}:w={max(2, int(2 * unit))}:h={side}:color={fore}:t=fill"
        ":enable='lt(mod(t,1.06),0.53)'"
    )
    return ";".join([*parts, ",".join(drawn) + ",format=yuv420p[v]"])


def bitrate(height):
    """Kilobits a second of a poor line."""
    return {720: 400, 1080: 700, 1440: 1100}[height]


def tile(folder):
    """The moving picture in the tile: a zoom."""
    path = os.path.join(folder, "tile.mkv")
    if not os.path.exists(path):
        source = f"mandelbrot=s=640x360:r={RATE}:end_scale=0.003:end_pts={RATE * 80}"
        run = ["ffmpeg", "-y", "-loglevel", "error", "-f", "lavfi", "-i", source, "-t", str(STATES * SECONDS)]
        subprocess.run([*run, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "12", f"{path}.mkv"], check=True)
        os.rename(f"{path}.mkv", path)


def clip(folder, height, size, theme, quality):
    """Makes a clip and its labels unless they exist; returns its name."""
    name = f"{height}_{size}_{theme}_{quality}"
    path = os.path.join(folder, f"{name}.ts")
    if os.path.exists(path):
        return name
    tile(folder)
    texts = numbers(f"{height} {size} {theme}")
    with open(os.path.join(folder, f"{name}.graph"), "w", encoding="utf-8") as file:
        file.write(graph(height, size, theme, texts))
    rate = f"-b:v {bitrate(height)}k -maxrate {bitrate(height)}k -bufsize {2 * bitrate(height)}k"
    encoder = QUALITIES[quality] or rate
    command = f"ffmpeg -y -loglevel error -filter_complex_script {name}.graph -map [v] -t {STATES * SECONDS} -c:v libx264 -preset veryfast"
    command += f" -tune zerolatency -g {RATE * 4} {encoder} -f mpegts .{name}.ts"
    subprocess.run(command.split(), check=True, cwd=folder)
    with open(os.path.join(folder, f"{name}.json"), "w", encoding="utf-8") as file:
        json.dump({"seconds": SECONDS, "texts": texts}, file)
    os.rename(os.path.join(folder, f".{name}.ts"), path)
    return name
