// Media times of hls.js and times of the session: both ways, exact to the tick.

const TICKS = 90000;
const WRAP = 2 ** 33;

/** Time after which a picture is shown for certain, in seconds: times of media are rounded. */
export const WITHIN = 0.002;

export class Playlist {
  /**
   * @param {any} hls
   * @param {import("./recording.js").Recording} recording
   */
  constructor(hls, recording) {
    this.hls = hls;
    this.recording = recording;
    /**
     * Ticks of the stream at media time 0, of each stretch without a break.
     * @type {Map<number, number>}
     */
    this.origins = new Map();
    /** @type {Map<string, import("./recording.js").Part>} */
    this.byName = new Map();
    /** @type {import("./recording.js").Part[] | null} */
    this.known = null;
  }

  /**
   * Notes where a stretch begins.
   * @param {any} data of the event INIT_PTS_FOUND
   */
  learn(data) {
    this.origins.set(data.frag.cc, Math.round((data.initPTS / data.timescale) * TICKS));
  }

  /** @returns {any[]} */
  get fragments() {
    return this.hls.latestLevelDetails?.fragments ?? this.hls.levels?.[0]?.details?.fragments ?? [];
  }

  /** Where the video begins and ends that is in the playlist; `null` before it is known. */
  get range() {
    const parts = this.fragments.flatMap((fragment) => this.#part(fragment) ?? []);
    return parts.length ? { start: parts[0].start, end: parts[parts.length - 1].end } : null;
  }

  /** @param {any} fragment */
  #part(fragment) {
    const parts = this.recording.parts;
    if (this.known !== parts) {
      this.known = parts;
      this.byName = new Map(parts.map((part) => [part.segment.path.split("/").pop() ?? "", part]));
    }
    return this.byName.get(fragment.relurl.split("/").pop());
  }

  /**
   * Returns the time of the session at a media time.
   * @param {number} media
   */
  toSession(media) {
    const fragments = this.fragments;
    const fragment =
      fragments.findLast((fragment) => fragment.start <= media + WITHIN) ?? fragments[0];
    const part = fragment && this.#part(fragment);
    const anchor = part?.segment.timeline;
    if (!anchor) return media;
    const origin = this.origins.get(fragment.cc);
    if (origin === undefined) return part.start + (media - fragment.start);
    return (anchor.offset + near(media * TICKS + origin - anchor.pts)) / TICKS;
  }

  /**
   * Returns the media time of a time of the session: in a gap, that of the video after it. `null`
   * before the playlist is known.
   * @param {number} time
   */
  toMedia(time) {
    let found = null;
    for (const fragment of this.fragments) {
      const part = this.#part(fragment);
      if (!part) continue;
      if (found && part.start > time + WITHIN) {
        if (time < found.part.end) break;
        // The time lies in a gap.
        return this.#media(fragment, part, part.start);
      }
      found = { fragment, part };
    }
    return found && this.#media(found.fragment, found.part, Math.max(time, found.part.start));
  }

  /**
   * @param {any} fragment
   * @param {import("./recording.js").Part} part
   * @param {number} time
   */
  #media(fragment, part, time) {
    const anchor = part.segment.timeline;
    const origin = this.origins.get(fragment.cc);
    if (!anchor || origin === undefined)
      return fragment.start + Math.max(0, time - part.start) + WITHIN;
    const raw = anchor.pts + (time * TICKS - anchor.offset) - origin;
    const start = fragment.start * TICKS;
    return (start + near(raw - start)) / TICKS + WITHIN;
  }
}

/**
 * Returns a difference of two clocks that wrap at 33 bits.
 * @param {number} ticks
 */
function near(ticks) {
  return ticks - Math.round(ticks / WRAP) * WRAP;
}
