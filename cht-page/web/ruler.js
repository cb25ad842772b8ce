// The time ruler: where pictures are dense, how strong the changes were, how long each picture
// stayed, where segments begin and video is missing.

import { colour, slideColour } from "./colours.js";
import { element } from "./dom.js";
import { REASONS, scoreOf } from "./filter.js";
import { clock } from "./time.js";

/** Rows, in pixels from the top: first and last of each. */
const ROWS = { density: [6, 30], scores: [34, 58], slides: [62, 84], axis: [86, 104] };
const HEIGHT = 106;

/** Steps between the marks of the axis, in seconds. */
const STEPS = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 43200,
  86400,
];

/** Width of a column of the density, in pixels. */
const COLUMN = 4;

/** Shortest range that is shown, in seconds. */
const MIN_RANGE = 0.5;

export class Ruler {
  /**
   * @param {import("./recording.js").Recording} recording
   * @param {import("./player.js").Player} player
   */
  constructor(recording, player) {
    this.recording = recording;
    this.player = player;
    /** Frames that pass the filter. @type {import("./recording.js").Frame[]} */
    this.frames = recording.frames;
    /** The times at both ends; `null` for all. @type {[number, number] | null} */
    this.range = null;
    /** Where the pointer is, in pixels. @type {number | null} */
    this.pointer = null;
    this.isDragging = false;
    /** Drawing of all that stays while the player and the pointer move. */
    this.ground = document.createElement("canvas");
    this.drawn = "";
    this.canvas = element("canvas", {
      className: "track",
      tabIndex: 0,
      role: "slider",
      "aria-label": "Time",
      "aria-valuemin": "0",
    });
    this.preview = element("div", { className: "preview", hidden: true });
    this.root = element(
      "section",
      { className: "ruler", "aria-label": "Time ruler" },
      this.canvas,
      this.preview,
    );
    this.#listen();
  }

  #listen() {
    new ResizeObserver(() => this.draw()).observe(this.canvas);
    const { canvas } = this;
    canvas.addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => {
      if (event.button !== 0) return;
      canvas.setPointerCapture(event.pointerId);
      this.isDragging = true;
      this.#point(event);
    });
    canvas.addEventListener("pointermove", (/** @type {PointerEvent} */ event) =>
      this.#point(event),
    );
    canvas.addEventListener("pointerup", () => (this.isDragging = false));
    canvas.addEventListener("pointercancel", () => (this.isDragging = false));
    canvas.addEventListener("pointerleave", () => {
      this.pointer = null;
      this.preview.hidden = true;
      this.draw();
    });
    canvas.addEventListener(
      "wheel",
      (/** @type {WheelEvent} */ event) => {
        event.preventDefault();
        if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
          this.pan((event.deltaX || event.deltaY) / canvas.clientWidth);
        else this.zoom(Math.exp(event.deltaY * 0.0015), this.#timeAt(event.offsetX));
      },
      { passive: false },
    );
    canvas.addEventListener("dblclick", () => this.show(null));
  }

  /** @param {PointerEvent} event */
  #point(event) {
    this.pointer = event.offsetX;
    if (this.isDragging) this.player.seek(this.#timeAt(event.offsetX));
    this.#showPreview();
    this.draw();
  }

  get length() {
    return Math.max(this.recording.end, MIN_RANGE);
  }

  get ends() {
    return this.range ?? /** @type {[number, number]} */ ([0, this.length]);
  }

  /** @param {number} x */
  #timeAt(x) {
    const [from, to] = this.ends;
    const share = Math.min(Math.max(x / this.canvas.clientWidth, 0), 1);
    return from + share * (to - from);
  }

  /** @param {number} time */
  #xAt(time) {
    const [from, to] = this.ends;
    return ((time - from) / (to - from)) * this.canvas.clientWidth;
  }

  /**
   * Makes the range longer by a factor, with a time that keeps its place.
   * @param {number} factor
   * @param {number} [time]
   */
  zoom(factor, time = this.player.time) {
    const [from, to] = this.ends;
    const length = Math.min(Math.max((to - from) * factor, MIN_RANGE), this.length);
    const begin = time - ((time - from) / (to - from)) * length;
    this.show(length >= this.length ? null : [begin, begin + length]);
  }

  /** Moves the range by a share of its length. @param {number} share */
  pan(share) {
    const [from, to] = this.ends;
    if (this.range) this.show([from + share * (to - from), to + share * (to - from)]);
  }

  /** Shows a range of times. @param {[number, number] | null} range */
  show(range) {
    if (range) {
      const length = range[1] - range[0];
      const begin = Math.min(Math.max(range[0], 0), this.length - length);
      range = [begin, begin + length];
    }
    this.range = range;
    this.draw();
  }

  /** Moves on when the player leaves the range. */
  follow() {
    if (!this.range || this.isDragging) return;
    const [from, to] = this.range;
    const { time } = this.player;
    if (time < from || time > to) this.show([time - (to - from) * 0.1, time + (to - from) * 0.9]);
  }

  #showPreview() {
    const frame = this.pointer === null ? null : this.recording.frameAt(this.#timeAt(this.pointer));
    this.preview.hidden = !frame;
    if (!frame || this.pointer === null) return;
    const time = this.#timeAt(this.pointer);
    const width = 208;
    const left = Math.min(
      Math.max(this.pointer - width / 2, 8),
      this.canvas.clientWidth - width - 8,
    );
    this.preview.style.transform = `translateX(${left}px)`;
    if (this.preview.dataset.id !== frame.id) {
      this.preview.dataset.id = frame.id;
      const picture = element("img", {
        src: this.recording.url(frame.thumbnail ?? frame.path),
        alt: "",
      });
      this.preview.replaceChildren(picture, element("span", {}));
    }
    const label = this.preview.lastElementChild;
    if (label) label.textContent = `${clock(time, 1)}  ${frame.id}`;
  }

  /** Draws everything anew: data, filter or colours have changed. */
  refresh() {
    this.drawn = "";
    this.draw();
  }

  /** Draws the player and the pointer anew, and the ground if that has to be. */
  draw() {
    const { canvas, ground } = this;
    const [width, scale] = [canvas.clientWidth, devicePixelRatio || 1];
    if (width === 0) return;
    const [wide, high] = [Math.round(width * scale), Math.round(HEIGHT * scale)];
    const state = [wide, scale, ...this.ends.map((end) => end.toFixed(this.range ? 4 : 1))].join(
      " ",
    );
    if (state !== this.drawn) {
      this.drawn = state;
      [ground.width, ground.height] = [canvas.width, canvas.height] = [wide, high];
      this.#drawGround(context(ground, scale), width);
    }
    const paint = context(canvas, 1);
    paint.clearRect(0, 0, wide, high);
    paint.drawImage(ground, 0, 0);
    this.#drawHeads(context(canvas, scale), width);
    canvas.setAttribute("aria-valuemax", this.length.toFixed(0));
    canvas.setAttribute("aria-valuenow", this.player.time.toFixed(1));
    canvas.setAttribute("aria-valuetext", clock(this.player.time, 1));
  }

  /** @param {CanvasRenderingContext2D} paint @param {number} width */
  #drawGround(paint, width) {
    this.#drawVideo(paint, width);
    this.#drawDensity(paint, width);
    this.#drawScores(paint);
    this.#drawSlides(paint, width);
    this.#drawAxis(paint, width);
  }

  /**
   * Ground where there is video, and a line where a segment begins.
   * @param {CanvasRenderingContext2D} paint
   * @param {number} width
   */
  #drawVideo(paint, width) {
    paint.fillStyle = colour("gap");
    paint.fillRect(0, ROWS.density[0], width, ROWS.slides[1] - ROWS.density[0]);
    paint.fillStyle = colour("track");
    const { stretches } = this.recording;
    for (const [start, end] of stretches.length ? stretches : [this.ends]) {
      const x = this.#xAt(start);
      paint.fillRect(
        x,
        ROWS.density[0],
        Math.max(1, this.#xAt(end) - x),
        ROWS.slides[1] - ROWS.density[0],
      );
    }
    paint.fillStyle = colour("mark");
    let last = -Infinity;
    for (const { start } of this.recording.parts) {
      const x = this.#xAt(start);
      if (x < 0 || x > width || x - last < 3) continue;
      last = x;
      paint.fillRect(Math.round(x), ROWS.slides[1], 1, 4);
    }
  }

  /** @param {CanvasRenderingContext2D} paint @param {number} width */
  #drawDensity(paint, width) {
    const columns = Math.ceil(width / COLUMN);
    const counts = REASONS.map(() => new Float32Array(columns));
    let most = 1;
    const all = new Float32Array(columns);
    for (const frame of this.frames) {
      const at = Math.floor(this.#xAt(frame.timestamp) / COLUMN);
      if (at < 0 || at >= columns) continue;
      counts[Math.max(0, REASONS.indexOf(frame.reason))][at] += 1;
      all[at] += 1;
      most = Math.max(most, all[at]);
    }
    const [top, bottom] = ROWS.density;
    const unit = (bottom - top) / Math.max(most, 3);
    const heights = new Float32Array(columns);
    REASONS.forEach((reason, kind) => {
      paint.fillStyle = colour(reason);
      for (let at = 0; at < columns; at++) {
        const high = counts[kind][at] * unit;
        if (high === 0) continue;
        heights[at] += high;
        paint.fillRect(at * COLUMN, bottom - heights[at], COLUMN - 1, high);
      }
    });
  }

  /** @param {CanvasRenderingContext2D} paint */
  #drawScores(paint) {
    const [top, bottom] = ROWS.scores;
    for (const reason of REASONS) {
      paint.fillStyle = colour(reason);
      for (const frame of this.frames) {
        if (frame.reason !== reason) continue;
        const high = Math.max(2, Math.sqrt(scoreOf(frame)) * (bottom - top));
        paint.fillRect(this.#xAt(frame.timestamp) - 0.75, bottom - high, 1.5, high);
      }
    }
  }

  /** @param {CanvasRenderingContext2D} paint @param {number} width */
  #drawSlides(paint, width) {
    const [top, bottom] = ROWS.slides;
    paint.font = "500 10px system-ui, sans-serif";
    paint.textBaseline = "middle";
    let last = -1;
    for (const frame of this.recording.frames) {
      const from = this.#xAt(frame.timestamp);
      if (from > width) break;
      const to = this.#xAt(frame.timestamp + this.recording.stayOf(frame));
      // Of many that fall on one pixel, one is drawn.
      if (to < 0 || Math.floor(to) === last) continue;
      last = Math.floor(to);
      paint.fillStyle = slideColour(frame.returned_to ?? frame.id);
      paint.fillRect(from, top, Math.max(1, to - from - 1), bottom - top);
      if (to - from < 34) continue;
      paint.fillStyle = colour("slide-text");
      paint.fillText(
        `${frame.returned_to ? "↩ " : ""}${(frame.returned_to ?? frame.id).replace(/^F0*/, "")}`,
        Math.max(from, 0) + 6,
        (top + bottom) / 2,
      );
    }
  }

  /** @param {CanvasRenderingContext2D} paint @param {number} width */
  #drawAxis(paint, width) {
    const [from, to] = this.ends;
    const [top, bottom] = ROWS.axis;
    const step = STEPS.find((step) => (step / (to - from)) * width > 72) ?? 86400;
    paint.font = "11px system-ui, sans-serif";
    paint.textBaseline = "middle";
    for (let at = Math.ceil(from / step); at * step <= to; at++) {
      const x = this.#xAt(at * step);
      paint.fillStyle = colour("mark");
      paint.fillRect(Math.round(x), top, 1, 5);
      paint.fillStyle = colour("muted");
      const text = clock(at * step, step < 1 ? 1 : 0);
      const wide = paint.measureText(text).width;
      paint.fillText(text, Math.min(Math.max(x - wide / 2, 0), width - wide), bottom - 5);
    }
  }

  /**
   * The pointer and the player.
   * @param {CanvasRenderingContext2D} paint
   * @param {number} width
   */
  #drawHeads(paint, width) {
    if (this.pointer !== null) {
      paint.fillStyle = colour("muted");
      paint.fillRect(Math.round(this.pointer), 2, 1, ROWS.slides[1]);
    }
    const x = Math.min(Math.max(this.#xAt(this.player.time), 1), width - 1);
    paint.fillStyle = colour("accent");
    paint.fillRect(Math.round(x) - 1, 2, 2, ROWS.axis[0]);
    paint.beginPath();
    paint.arc(x, 4, 4, 0, 7);
    paint.fill();
  }
}

/**
 * Returns what draws on a canvas, in pixels of the page.
 * @param {HTMLCanvasElement} canvas
 * @param {number} scale
 */
function context(canvas, scale) {
  const paint = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  paint.setTransform(scale, 0, 0, scale, 0, 0);
  return paint;
}
