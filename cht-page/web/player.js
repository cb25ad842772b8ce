// The player: one screen over the video or the pictures that play, and where it goes.

import { Engines } from "./engines.js";
import { Notice } from "./notice.js";
import { Screen } from "./screen.js";

/** Time before the end from where playing begins again at the start, in seconds. */
const AT_END = 0.1;

export class Player extends EventTarget {
  /**
   * @param {import("./recording.js").Recording} recording
   * @param {(text: string, said: string) => void} copy
   */
  constructor(recording, copy) {
    super();
    this.recording = recording;
    this.tell = limited(() => this.#show());
    this.screen = new Screen(this);
    this.engines = new Engines(recording, this.video, {
      tell: this.tell,
      changed: () => this.dispatchEvent(new Event("mode")),
    });
    this.notice = new Notice(this.screen.notice, recording, copy);
  }

  /** @returns {HTMLVideoElement} */
  get video() {
    return this.screen.video;
  }

  /** What plays. */
  get engine() {
    return this.engines.current;
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

  play() {
    const { recording } = this;
    if (!recording.isLive && this.time >= recording.end - AT_END) this.seek(0);
    if (!this.isLive) this.engines.at(this.time).seek(this.time);
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
    const engine = this.engines.at(target);
    engine.seek(target);
    if (wasPlaying && !engine.isPlaying) engine.play();
    this.dispatchEvent(new Event("seek"));
  }

  /** Goes on by frames. @param {number} count */
  step(count) {
    this.pause();
    const time = this.engine.frameAfter(count);
    this.seek(count < 0 ? this.recording.videoBefore(time) : time);
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
    } else if (!this.engines.hasVideo || !recording.served) {
      this.seek(recording.end);
    } else if (this.isLive) {
      this.play();
    } else {
      this.engines.live();
    }
  }

  /**
   * Plays the recording from files that the reader has opened, at the same time.
   * @param {any} Loader of these files
   */
  open(Loader) {
    this.engines.Loader = Loader;
    const { time } = this;
    this.engines.at(time).seek(time);
  }

  /** @param {number} rate */
  setRate(rate) {
    this.engines.setRate(rate);
    this.screen.rates.value = String(rate);
  }

  fullScreen() {
    this.screen.fullScreen();
  }

  #show() {
    this.engines.handOver();
    this.screen.show(this.recording, this.engines);
    this.notice.show(this.engines);
    this.dispatchEvent(new Event("time"));
  }
}

/**
 * Returns a function that calls another at most once for each picture of the screen.
 * @param {() => void} call
 */
function limited(call) {
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
