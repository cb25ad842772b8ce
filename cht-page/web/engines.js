// Chooses what plays: the video of the recording, its pictures, or the newest of what is received.

import { isGone, isLost, reasonOf, unplayable } from "./codecs.js";
import { Film } from "./film.js";
import { Live } from "./live.js";
import { Recorded } from "./recorded.js";
import { MIN_GAP } from "./recording.js";
import { loadScript } from "./scripts.js";
import { Stills } from "./stills.js";
import { FileTimes, VideoFile } from "./video_file.js";

/** @typedef {{start: number, end: number}} Range */

export class Engines {
  /**
   * @param {import("./recording.js").Recording} recording
   * @param {HTMLVideoElement} video
   * @param {{tell: () => void, changed: () => void}} listeners called when the time has changed, or
   *   what plays
   */
  constructor(recording, video, { tell, changed }) {
    this.recording = recording;
    this.video = video;
    this.tell = tell;
    this.changed = changed;
    this.rate = 1;
    /**
     * Loader of the files that the reader has opened, where the page itself is a file.
     * @type {any}
     */
    this.Loader = null;
    const refusal = this.#refusal();
    const isFile = location.protocol === "file:" || refusal;
    /** Video file that is played in place of the segments. */
    this.file = isFile ? recording.video : null;
    /** Why no video is played; empty if it is. */
    this.refusal = this.file ? "" : refusal;
    /** Whether the video is not there: no command plays it. */
    this.isLost = false;
    /** Whether the session has been removed or renamed since. */
    this.isGone = false;
    /** Script that is being loaded. */
    this.awaited = "";
    /** Where there is video to be played, once it is known. @type {Range | null} */
    this.range = this.file && new FileTimes(this.file.parts).range;
    /** Whether the newest picture is wanted, as soon as its player is there. */
    this.wantsLive = false;
    /** What plays. @type {Stills | Film | Live} */
    this.current = new Stills(recording, tell);
  }

  /** Returns the reason why this page plays no video of the segments. */
  #refusal() {
    const { video } = unplayable(this.recording.streams);
    if (video) return `This browser does not play ${video}. The pictures play in their times.`;
    if (!this.recording.players)
      return "This page was made without the players of hls.js and mpegts.js (make build fetches them).";
    if (!("MediaSource" in globalThis)) return "This browser has no Media Source Extensions.";
    return "";
  }

  get showsStills() {
    return this.current instanceof Stills;
  }

  /** Whether a picture of the video is on its way to the screen. */
  get isSeeking() {
    return this.video.readyState < 2 || /** @type {any} */ (this.current).target != null;
  }

  /** Seconds since the sender last sent, where the newest picture is shown; 0 while it sends. */
  get silence() {
    return this.current instanceof Live ? this.current.silence : 0;
  }

  /**
   * Tells whether video can be read: it is a file, the page is served, or its reader has opened the
   * folder.
   */
  get hasVideo() {
    if (this.refusal) return false;
    return Boolean(this.file) || location.protocol !== "file:" || this.Loader !== null;
  }

  /**
   * Tells whether there is video at a time: segments may have been deleted, and pictures kept.
   * @param {number} time
   * @param {number} [slack] seconds before and after the video that belong to it
   */
  hasVideoAt(time, slack = MIN_GAP) {
    const { parts, isLive } = this.recording;
    if (this.file && this.range)
      return time >= this.range.start - slack && time <= this.range.end + slack;
    if (!parts.length) return false;
    const start = Math.max(parts[0].start, this.range?.start ?? 0);
    const last = parts[parts.length - 1].end;
    const end = isLive ? last : Math.min(last, this.range?.end ?? last);
    return time >= start - slack && time <= end + slack;
  }

  /** @param {number} rate */
  setRate(rate) {
    this.rate = rate;
    this.current.rate = rate;
  }

  /**
   * Lets the video of the recording play at a time, or else its pictures. Returns what plays.
   * @param {number} time
   */
  at(time) {
    this.wantsLive = false;
    const isFinished = !this.recording.isLive || time < (this.recording.parts.at(-1)?.end ?? 0);
    const plays = this.hasVideo && isFinished && this.hasVideoAt(time);
    const isHere = Boolean(this.file) || "Hls" in globalThis;
    if (plays && !isHere) this.#goOnWith("hls.js", () => !this.current.isLive && !this.wantsLive);
    if (!plays || !isHere) {
      if (!this.showsStills) this.#use(() => new Stills(this.recording, this.tell));
    } else if (!(this.current instanceof Film)) {
      this.#use(() => this.#film());
    }
    return this.current;
  }

  /** Lets the newest of what is received play, as soon as its player is there. */
  live() {
    if (!("mpegts" in globalThis)) {
      this.#waitForLive();
      return;
    }
    const { video, recording, tell } = this;
    const fail = (/** @type {string} */ message) => this.#fail(message);
    this.#use(() => new Live(video, recording, { tell, fail }));
  }

  /** Changes between video and pictures where the video begins or ends. */
  handOver() {
    const { current, recording } = this;
    const { time } = current;
    if (current instanceof Film && current.hasEnded && recording.end > time + MIN_GAP) {
      const start = this.range?.start ?? 0;
      this.range = { start, end: Math.min(time, this.range?.end ?? time) };
      this.#showStills(Math.max(time, this.range.end + 0.01), true);
    } else if (current instanceof Stills && current.isPlaying && this.hasVideoAt(time, -0.01)) {
      const next = this.at(time);
      if (next === current) return;
      next.seek(time);
      next.play();
    }
  }

  /** Makes the player of the video file, or of the segments. */
  #film() {
    const { video, recording, file, Loader, tell } = this;
    const fail = (/** @type {string} */ message) => this.#fail(message);
    if (file) return new VideoFile(video, recording, file, { tell, fail });
    const learn = (/** @type {Range | null} */ range) => this.#learn(range);
    return new Recorded(video, recording, { Loader, tell, fail, learn });
  }

  /**
   * Replaces what plays: the old one lets go of the video before the new one takes it.
   * @param {() => any} make
   */
  #use(make) {
    this.current.end();
    this.current = make();
    this.current.rate = this.rate;
    this.changed();
    this.tell();
  }

  /**
   * Notes where the video is that can be played, and shows the pictures if it is elsewhere.
   * @param {Range | null} range
   */
  #learn(range) {
    this.range = range;
    const { time, isPlaying } = this.current;
    if (!(this.current instanceof Film) || this.hasVideoAt(time)) return;
    // Not from inside of a call of hls.js, which is ended here.
    queueMicrotask(() => this.current instanceof Film && this.#showStills(time, isPlaying));
  }

  /**
   * Goes on with the pictures.
   * @param {number} time
   * @param {boolean} isPlaying
   */
  #showStills(time, isPlaying) {
    this.#use(() => new Stills(this.recording, this.tell));
    this.#goOn(time, isPlaying);
  }

  /** @param {number} time @param {boolean} isPlaying */
  #goOn(time, isPlaying) {
    this.current.seek(time);
    if (isPlaying) this.current.play();
  }

  /**
   * Loads a player, and goes on with it where the pictures are by then.
   * @param {string} script
   * @param {() => boolean} isWanted
   */
  async #goOnWith(script, isWanted) {
    if (this.awaited === script) return;
    this.awaited = script;
    try {
      await loadScript(script);
      this.awaited = "";
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
      return;
    }
    if (!isWanted()) return;
    const { time, isPlaying } = this.current;
    this.at(time);
    this.#goOn(time, isPlaying);
  }

  /** Shows the newest picture until the player is there. */
  async #waitForLive() {
    this.at(this.recording.end).seek(this.recording.end);
    this.wantsLive = true;
    try {
      await loadScript("mpegts.js");
      if (this.wantsLive && this.recording.isLive) this.live();
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  /**
   * Goes on with pictures when the video cannot be played.
   * @param {string} message
   */
  async #fail(message) {
    const { current } = this;
    const isPlaying = current.isPlaying || (current instanceof Film && current.isTold);
    this.wantsLive = false;
    this.refusal = reasonOf(message);
    this.isLost = isLost(message);
    this.#showStills(current.time, isPlaying);
    if (!this.recording.served || !(await isGone())) return;
    this.isGone = true;
    this.refusal = "This session is gone: it was renamed or removed.";
    this.tell();
  }
}
