// The player: one screen and one row of controls over the video or the pictures that play.

import { helpsOf, isGone, isLost, playCommand, reasonOf, unplayable } from "./codecs.js";
import { element, icon, iconButton } from "./dom.js";
import { Film } from "./film.js";
import { Live } from "./live.js";
import { Recorded } from "./recorded.js";
import { MIN_GAP } from "./recording.js";
import { loadScript } from "./scripts.js";
import { Stills } from "./stills.js";
import { clock } from "./time.js";
import { FileTimes, VideoFile } from "./video_file.js";

const RATES = [0.5, 1, 1.25, 1.5, 2, 3];

/** Time before the end from where playing begins again at the start, in seconds. */
const AT_END = 0.1;

/** @typedef {{start: number, end: number}} Range */

export class Player extends EventTarget {
  /**
   * @param {import("./recording.js").Recording} recording
   * @param {(text: string, said: string) => void} copy
   */
  constructor(recording, copy) {
    super();
    this.recording = recording;
    this.copy = copy;
    this.rate = 1;
    /**
     * Loader of the files that the reader has opened, where the page itself is a file.
     * @type {any}
     */
    this.Loader = null;
    /** Why no video is played in segments; empty if it is. */
    const refusal = this.#refusal();
    const isFile = location.protocol === "file:" || refusal;
    /** Video file that is played in their place. */
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
    this.tell = this.#limited(() => this.#show());
    this.#build();
    /** @type {Stills | Film | Live} */
    this.engine = new Stills(recording, this.tell);
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

  #build() {
    this.video = element("video", { playsInline: true, muted: true, "aria-label": "Recording" });
    this.still = element("img", {
      className: "still",
      alt: "",
      decoding: "async",
      fetchPriority: "high",
      onerror: () => (this.still.hidden = true),
      onload: () => (this.still.hidden = false),
    });
    this.notice = element("div", { className: "notice", role: "status", hidden: true });
    this.badge = element(
      "button",
      {
        type: "button",
        className: "live-badge",
        title: "Go to the newest picture",
        onclick: () => this.goLive(),
      },
      "LIVE",
    );
    this.screen = element(
      "div",
      { className: "screen", onclick: () => this.toggle() },
      this.video,
      this.still,
    );
    this.toggler = iconButton("play", "Play or pause (space)", () => this.toggle());
    this.clock = element("output", { className: "clock", "aria-label": "Time" });
    this.muter = iconButton("muted", "Sound on or off", () => this.#mute());
    const rates = RATES.map((rate) =>
      element("option", { value: String(rate), selected: rate === 1 }, `${rate}×`),
    );
    this.rates = element(
      "select",
      {
        title: "Speed",
        "aria-label": "Speed",
        onchange: () => this.setRate(Number(this.rates.value)),
      },
      ...rates,
    );
    this.extra = element("span", { className: "extra" });
    this.root = element(
      "section",
      { className: "player", "aria-label": "Player" },
      this.screen,
      this.notice,
      element(
        "div",
        { className: "controls" },
        iconButton("previous", "Previous picture (k)", () => this.picture(-1)),
        this.toggler,
        iconButton("next", "Next picture (j)", () => this.picture(1)),
        this.clock,
        this.badge,
        this.extra,
        this.rates,
        this.muter,
        iconButton("full", "Full screen (f)", () => this.fullScreen()),
      ),
    );
  }

  get time() {
    return this.engine.time;
  }

  get isPlaying() {
    return this.engine.isPlaying;
  }

  get isLive() {
    return this.engine.isLive;
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

  /**
   * Notes where the video is that can be played, and shows the pictures if it is elsewhere.
   * @param {Range | null} range
   */
  #learn(range) {
    this.range = range;
    const { time, isPlaying } = this;
    if (!(this.engine instanceof Film) || this.hasVideoAt(time)) return;
    // Not from inside of a call of hls.js, which is ended here.
    queueMicrotask(() => this.engine instanceof Film && this.#showStills(time, isPlaying));
  }

  /**
   * Goes on with the pictures.
   * @param {number} time
   * @param {boolean} isPlaying
   */
  #showStills(time, isPlaying) {
    this.#use(() => new Stills(this.recording, this.tell));
    this.engine.seek(time);
    if (isPlaying) this.engine.play();
  }

  /** Changes between video and pictures where the video begins or ends. */
  #handOver() {
    const { engine, recording, time } = this;
    if (engine instanceof Film && engine.hasEnded && recording.end > time + MIN_GAP) {
      const start = this.range?.start ?? 0;
      this.range = { start, end: Math.min(time, this.range?.end ?? time) };
      this.#showStills(Math.max(time, this.range.end + 0.01), true);
    } else if (engine instanceof Stills && engine.isPlaying && this.hasVideoAt(time, -0.01)) {
      const next = this.#recorded(time);
      if (next === engine) return;
      next.seek(time);
      next.play();
    }
  }

  /**
   * Replaces what plays: the old one lets go of the video before the new one takes it.
   * @param {() => any} make
   */
  #use(make) {
    this.engine.end();
    this.engine = make();
    this.engine.rate = this.rate;
    this.dispatchEvent(new Event("mode"));
    this.tell();
  }

  /**
   * Returns the player of the recording, or of its pictures.
   * @param {number} time
   */
  #recorded(time) {
    this.wantsLive = false;
    const isFinished = !this.recording.isLive || time < (this.recording.parts.at(-1)?.end ?? 0);
    const plays = this.hasVideo && isFinished && this.hasVideoAt(time);
    const isHere = Boolean(this.file) || "Hls" in globalThis;
    if (plays && !isHere) this.#goOnWith("hls.js", () => !this.isLive && !this.wantsLive);
    if (!plays || !isHere) {
      if (!(this.engine instanceof Stills)) this.#use(() => new Stills(this.recording, this.tell));
    } else if (!(this.engine instanceof Film)) {
      this.#use(() => this.#film());
    }
    return this.engine;
  }

  /** Makes the player of the video file, or of the segments. */
  #film() {
    const { video, recording, file, Loader, tell } = this;
    const fail = (/** @type {string} */ message) => this.#fail(message);
    if (file) return new VideoFile(video, file, { tell, fail });
    const learn = (/** @type {Range | null} */ range) => this.#learn(range);
    return new Recorded(video, recording, { Loader, tell, fail, learn });
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
    const { time, isPlaying } = this;
    const engine = this.#recorded(time);
    engine.seek(time);
    if (isPlaying) engine.play();
  }

  /**
   * Goes on with pictures when the video cannot be played.
   * @param {string} message
   */
  async #fail(message) {
    const { engine, time } = this;
    const isPlaying = this.isPlaying || (engine instanceof Film && engine.isTold);
    this.wantsLive = false;
    this.refusal = reasonOf(message);
    this.isLost = isLost(message);
    this.#showStills(time, isPlaying);
    if (!this.recording.served || !(await isGone())) return;
    this.isGone = true;
    this.refusal = "This session is gone: it was renamed or removed.";
    this.tell();
  }

  play() {
    const { recording } = this;
    if (!recording.isLive && this.time >= recording.end - AT_END) this.seek(0);
    if (!this.isLive) this.#recorded(this.time).seek(this.time);
    this.engine.play();
    this.tell();
  }

  pause() {
    this.engine.pause();
    this.tell();
  }

  toggle() {
    if (this.isPlaying) this.pause();
    else this.play();
  }

  /** @param {number} time */
  seek(time) {
    const target = Math.min(Math.max(0, time), this.recording.end);
    const wasPlaying = this.isPlaying && !this.isLive;
    const engine = this.#recorded(target);
    engine.seek(target);
    if (wasPlaying && !engine.isPlaying) engine.play();
    this.dispatchEvent(new Event("seek"));
  }

  /** Goes on by frames. @param {number} count */
  step(count) {
    this.pause();
    this.seek(this.time + count * this.engine.frameDuration + 0.001);
  }

  /** Goes on by pictures. @param {number} count */
  picture(count) {
    const { frames } = this.recording;
    const at = this.recording.indexAt(this.time + 0.01);
    const frame = frames[Math.min(Math.max(0, at + count), frames.length - 1)];
    if (frame) this.seek(frame.timestamp);
  }

  goLive() {
    const { recording } = this;
    if (!recording.isLive) {
      this.seek(recording.frames.at(-1)?.timestamp ?? recording.end);
    } else if (!this.hasVideo || !recording.served) {
      this.seek(recording.end);
    } else if (this.isLive) {
      this.play();
    } else if ("mpegts" in globalThis) {
      const fail = (/** @type {string} */ message) => this.#fail(message);
      this.#use(() => new Live(this.video, recording, { tell: this.tell, fail }));
    } else {
      this.#waitForLive();
    }
  }

  /** Shows the newest picture until the player is there. */
  async #waitForLive() {
    this.#recorded(this.recording.end).seek(this.recording.end);
    this.wantsLive = true;
    try {
      await loadScript("mpegts.js");
      if (this.wantsLive) this.goLive();
    } catch (error) {
      this.#fail(error instanceof Error ? error.message : String(error));
    }
  }

  /** Opens the recording again by other means, at the same time. */
  reload() {
    const time = this.time;
    this.#recorded(time).seek(time);
  }

  /** @param {number} rate */
  setRate(rate) {
    this.rate = rate;
    this.engine.rate = rate;
    this.rates.value = String(rate);
  }

  #mute() {
    this.video.muted = !this.video.muted;
    this.muter.replaceChildren(icon(this.video.muted ? "muted" : "sound"));
  }

  fullScreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else this.root.requestFullscreen?.();
  }

  #show() {
    this.#handOver();
    const { recording, time } = this;
    const frame = recording.frameAt(time);
    const shows =
      this.engine instanceof Stills ||
      this.video.readyState < 2 ||
      /** @type {any} */ (this.engine).target != null;
    this.still.classList.toggle("shown", shows && Boolean(frame));
    if (shows && frame) {
      const url = recording.url(frame.path);
      if (this.still.getAttribute("src") !== url) this.still.src = url;
    }
    this.video.classList.toggle("shown", !(this.engine instanceof Stills));
    this.clock.textContent = `${clock(time, 1)} / ${clock(recording.end)}`;
    this.toggler.replaceChildren(icon(this.isPlaying ? "pause" : "play"));
    this.badge.hidden = !recording.isLive;
    this.badge.classList.toggle("on", this.isLive && !this.#silence);
    this.#showNotice();
    this.dispatchEvent(new Event("time"));
  }

  /** Seconds since the sender last sent, where the newest picture is shown; 0 while it sends. */
  get #silence() {
    return this.engine instanceof Live ? this.engine.silence : 0;
  }

  /** Returns what has to be said of the place that is shown; empty if there is nothing. */
  get #remark() {
    const { recording, engine } = this;
    if (recording.isEmpty) return "Nothing is recorded yet.";
    if (this.#silence) return `No video for ${this.#silence} s: the page waits for the sender.`;
    if (!(engine instanceof Stills) || recording.isLive || this.hasVideoAt(engine.time)) return "";
    return this.hasVideo ? "There is no video at this time. The pictures play in their times." : "";
  }

  /** Says what this browser does not play, and the command that does. */
  #showNotice() {
    const { recording } = this;
    const sound = this.file?.other ? null : unplayable(recording.streams).sound;
    const silence = sound ? `This browser does not play ${sound}: the video is silent here.` : "";
    const remark = this.#remark;
    const unread = recording.isEmpty ? "" : this.refusal;
    const says = unread || remark || silence;
    this.notice.hidden = !says;
    if (!says) return;
    const { says: said, command: before } = this.notice.dataset;
    // While it plays, the command stays: a screen reader would read each one.
    const isHelped = !this.isLost && (Boolean(unread) || !remark);
    const kept = this.isPlaying && said === says && before;
    const command = isHelped ? kept || playCommand(recording, this.time) : "";
    if (said === says && before === command) return;
    Object.assign(this.notice.dataset, { says, command });
    this.notice.replaceChildren(says, " ", ...helpsOf(command, this.isGone, this.copy));
  }

  /**
   * Returns a function that calls another at most once for each picture of the screen.
   * @param {() => void} call
   */
  #limited(call) {
    let waits = false;
    return () => {
      if (waits) return;
      waits = true;
      requestAnimationFrame(() => {
        waits = false;
        call();
      });
    };
  }
}
