// Everything known of a session: items in, frames, words and segments in order of time out.

const TICKS = 90000;

/** Shortest time without video that is shown as a gap, in seconds. */
export const MIN_GAP = 0.5;

/** Duration of a frame where it is not known, in seconds. */
const FRAME = 0.04;

/**
 * A kept frame, as its event has it.
 * @typedef {{id: string, timestamp: number, at?: string, path: string, thumbnail?: string,
 *   reason: string, detector?: string, returned_to?: string, scores: Record<string, number>,
 *   width: number, height: number, hash: string}} Frame
 * @typedef {{start: number, end: number, text: string, speaker?: string}} Words
 * @typedef {{pts: number, offset: number}} Anchor
 * @typedef {{seq: number, path: string, connection: number, timeline?: Anchor, duration?: number,
 *   opened_at: string, bytes: number, end_reason: string}} Segment
 * @typedef {{segment: Segment, start: number, end: number}} Part
 */

export class Recording extends EventTarget {
  /** @param {any} data */
  constructor(data) {
    super();
    this.name = data.name;
    this.folder = data.folder;
    this.base = data.base;
    this.served = data.served;
    this.marks = data.marks;
    this.players = data.players;
    /**
     * Codecs, and the time from one frame to the next in seconds, the shortest where it varies.
     * @type {{video?: string, sound?: string, sound_pid?: number, frame_duration?: number}}
     */
    this.streams = data.streams ?? {};
    /**
     * Video file next to the page; `other` if it is not of the recorded streams as they are.
     * @type {{path: string, other: boolean, parts: import("./video_file.js").FilePart[]} | null}
     */
    this.video = data.video ?? null;
    this.position = data.position;
    /** In order of time. @type {Frame[]} */
    this.frames = [];
    /** @type {Map<string, Frame>} */
    this.byId = new Map();
    /**
     * Text of each frame, by its id and then by the program.
     * @type {Map<string, Map<string, string>>}
     */
    this.texts = new Map();
    /** In order of time. @type {Words[]} */
    this.words = [];
    /** @type {Map<number, Segment>} */
    this.segments = new Map();
    /** Ids of the frames that each reader has. @type {Map<string, Set<string>>} */
    this.marked = new Map([["agent", new Set()]]);
    /** Ranges of ids that each other reader has acknowledged. @type {Map<string, string[][]>} */
    this.acknowledged = new Map();
    this.isLive = false;
    /** The growing segment. @type {{seq: number, timeline?: Anchor, at: string} | null} */
    this.open = null;
    /** Milliseconds by which the server's clock is ahead of this one. */
    this.ahead = 0;
    /** @type {Part[] | null} */
    this.partsInOrder = null;
    this.apply(data.items);
  }

  /**
   * Takes items in, and tells of them by `change`.
   * @param {any[]} items
   */
  apply(items) {
    /** Kinds of things that changed. @type {Set<string>} */
    const changed = new Set();
    for (const item of items) {
      this.#take(item);
      changed.add(item.type);
    }
    if (changed.has("frame"))
      this.frames.sort((a, b) => a.timestamp - b.timestamp || (a.id < b.id ? -1 : 1));
    if (changed.has("segment_closed") || changed.has("deleted")) this.partsInOrder = null;
    if (changed.has("transcript")) this.words.sort((a, b) => a.start - b.start);
    this.dispatchEvent(new CustomEvent("change", { detail: changed }));
  }

  /** @param {any} item */
  #take(item) {
    switch (item.type) {
      case "frame":
        return this.#takeFrame(item);
      case "text": {
        const texts = this.texts.get(item.id) ?? new Map();
        this.texts.set(item.id, texts.set(item.source ?? "", item.text));
        return;
      }
      case "transcript":
        this.words.push(item);
        return;
      case "sent": {
        const reader = item.reader ?? "agent";
        if (!this.marked.has(reader)) this.marked.set(reader, new Set());
        this.marked.get(reader)?.add(item.id);
        return;
      }
      case "reader":
        this.acknowledged.set(
          item.name,
          item.acknowledged.map((/** @type {string} */ range) => range.split("-")),
        );
        return;
      case "segment_closed":
        this.segments.set(item.seq, item);
        if (this.open && this.open.seq <= item.seq) this.open = null;
        return;
      case "segment_open":
        if (!this.segments.has(item.seq)) this.open = item;
        return;
      case "deleted":
        this.segments.delete(item.seq);
        return;
      case "state":
        this.isLive = item.live;
        if (!item.live) this.open = null;
        this.ahead = Date.parse(item.now) - Date.now();
    }
  }

  /** @param {Frame} frame */
  #takeFrame(frame) {
    const before = this.byId.get(frame.id);
    this.byId.set(frame.id, frame);
    if (!before) {
      this.frames.push(frame);
      return;
    }
    this.frames[this.frames.indexOf(before)] = frame;
    // A mark belongs to a picture.
    if (before.hash !== frame.hash)
      for (const marked of this.marked.values()) marked.delete(frame.id);
  }

  /** Names of the readers, `agent` first. */
  get readers() {
    return [...new Set([...this.marked.keys(), ...this.acknowledged.keys()])];
  }

  /**
   * Tells whether a reader has a frame.
   * @param {string} id
   * @param {string} reader
   */
  hasSent(id, reader) {
    if (this.marked.get(reader)?.has(id)) return true;
    const ranges = this.acknowledged.get(reader) ?? [];
    return ranges.some(
      ([first, last = first]) => id.length === first.length && first <= id && id <= last,
    );
  }

  /**
   * Returns the text of a frame by all programs.
   * @param {string} id
   */
  textOf(id) {
    return [...(this.texts.get(id)?.values() ?? [])].filter(Boolean).join("\n");
  }

  /**
   * Returns what was said while a frame stayed.
   * @param {Frame} frame
   */
  spokenWhile(frame) {
    const end = frame.timestamp + this.stayOf(frame);
    const first = this.wordsAfter(frame.timestamp);
    let last = first;
    while (last < this.words.length && this.words[last].start < end) last++;
    return this.words.slice(first, last);
  }

  /**
   * Returns the words spoken while a frame stayed.
   * @param {Frame} frame
   */
  wordsOf(frame) {
    return this.spokenWhile(frame)
      .map(({ text }) => text)
      .join(" ");
  }

  /**
   * Returns the index of the first words that end after a time.
   * @param {number} time
   */
  wordsAfter(time) {
    return firstIndex(this.words.length, (at) => this.words[at].end > time);
  }

  /**
   * Returns how long a frame stayed, in seconds: to the next one, or to the end of its video.
   * @param {Frame} frame
   */
  stayOf(frame) {
    const start = frame.timestamp;
    const next = this.frames[this.indexAt(start) + 1]?.timestamp ?? Infinity;
    const parts = this.parts;
    const at = firstIndex(parts.length, (at) => parts[at].end > start);
    // Mostly it is in the segment of the next one, and then no gap lies between.
    const isNear = at < parts.length && next <= parts[at].end;
    return Math.max(0, Math.min(next, isNear ? next : this.endOfVideo(start)) - start);
  }

  /**
   * Returns the index of the last frame at or before a time; -1 before the first one.
   * @param {number} time
   */
  indexAt(time) {
    return firstIndex(this.frames.length, (at) => this.frames[at].timestamp > time + 1e-4) - 1;
  }

  /**
   * Returns the frame that is shown at a time.
   * @param {number} time
   */
  frameAt(time) {
    return this.frames[Math.max(0, this.indexAt(time))];
  }

  /** Segments that are on the timeline, with their times in seconds, in order. */
  get parts() {
    if (this.partsInOrder) return this.partsInOrder;
    /** @type {Part[]} */
    const parts = [];
    for (const segment of this.segments.values()) {
      if (!segment.timeline) continue;
      const start = segment.timeline.offset / TICKS;
      parts.push({ segment, start, end: start + (segment.duration ?? 0) });
    }
    this.partsInOrder = parts.sort((a, b) => a.start - b.start);
    return this.partsInOrder;
  }

  /** Time from one frame to the next in seconds, the shortest where it varies. */
  get frameDuration() {
    return this.streams.frame_duration ?? FRAME;
  }

  /**
   * Returns a time at or before another: of one between two segments, the last frame of the first.
   * @param {number} time
   */
  videoBefore(time) {
    const { parts } = this;
    const next = firstIndex(parts.length, (at) => parts[at].start > time);
    if (next === 0 || next === parts.length || time < parts[next - 1].end) return time;
    return parts[next - 1].end - this.frameDuration / 2;
  }

  /** Tells whether nothing has been received yet. */
  get isEmpty() {
    return !this.frames.length && !this.segments.size && !this.words.length && !this.open;
  }

  /** Stretches of video without a gap: `[start, end]` in seconds. */
  get stretches() {
    /** @type {[number, number][]} */
    const stretches = [];
    const live = this.open?.timeline
      ? [{ start: this.open.timeline.offset / TICKS, end: this.edge() }]
      : [];
    for (const { start, end } of [...this.parts, ...live]) {
      const last = stretches[stretches.length - 1];
      if (last && start - last[1] < MIN_GAP) last[1] = Math.max(last[1], end);
      else stretches.push([start, end]);
    }
    return stretches;
  }

  /**
   * Returns where the segments end that follow one another from a time on.
   * @param {number} time
   */
  endOfVideo(time) {
    const parts = this.parts;
    let at = firstIndex(parts.length, (at) => parts[at].end > time);
    if (at === parts.length || parts[at].start > time + MIN_GAP) return this.end;
    while (at + 1 < parts.length && parts[at + 1].start - parts[at].end < MIN_GAP) at++;
    return at + 1 === parts.length && this.open ? this.edge() : parts[at].end;
  }

  /** End of all that is known, in seconds. */
  get end() {
    const frame = this.frames[this.frames.length - 1]?.timestamp ?? 0;
    const words = this.words[this.words.length - 1]?.end ?? 0;
    const video = this.video?.parts.at(-1)?.end ?? 0;
    return Math.max(frame, words, video, this.edge());
  }

  /** The newest time that was received, by the wall clock; the end if nothing is being received. */
  edge() {
    if (!this.open?.timeline) return this.parts[this.parts.length - 1]?.end ?? 0;
    const since = (Date.now() + this.ahead - Date.parse(this.open.at)) / 1000;
    return this.open.timeline.offset / TICKS + Math.max(0, since);
  }

  /** Wall clock of the first byte. */
  get startedAt() {
    return [...this.segments.values()].sort((a, b) => a.seq - b.seq)[0]?.opened_at ?? this.open?.at;
  }

  /**
   * Returns the wall clock at a time, by the frame or segment before it.
   * @param {number} time
   */
  wallAt(time) {
    const frame = this.frameAt(time);
    if (frame?.at && frame.timestamp <= time) {
      return new Date(Date.parse(frame.at) + (time - frame.timestamp) * 1000).toISOString();
    }
    const part = this.parts.findLast(({ start }) => start <= time);
    return (
      part &&
      new Date(Date.parse(part.segment.opened_at) + (time - part.start) * 1000).toISOString()
    );
  }

  /**
   * Returns the URL of a file of the session.
   * @param {string} path
   */
  url(path) {
    return this.base + path.split("/").map(encodeURIComponent).join("/");
  }
}

/**
 * Returns the first index that has a property which all later ones have.
 * @param {number} length
 * @param {(at: number) => boolean} has
 */
export function firstIndex(length, has) {
  let [low, high] = [0, length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (has(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
