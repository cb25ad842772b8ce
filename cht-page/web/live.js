// Plays the newest pictures of a recording by mpegts.js, as they come.

import { unplayable } from "./codecs.js";

/** Time after which a broken stream is opened again, in milliseconds. */
const AGAIN = 700;

/** Time without a new picture after which the stream is opened again, in milliseconds. */
const STALLED = 6000;

/** Time without video after which it is said that none comes, in seconds. */
const SILENT = 3;

/**
 * Time in which a stream that was opened again sends what it had sent before, in milliseconds.
 */
const REPEATED = 1500;

export class Live {
  /**
   * @param {HTMLVideoElement} video
   * @param {import("./recording.js").Recording} recording
   * @param {{tell: () => void, fail: (message: string) => void}} options
   */
  constructor(video, recording, { tell, fail }) {
    this.video = video;
    this.recording = recording;
    this.tell = tell;
    this.fail = fail;
    this.isLive = true;
    this.stop = new AbortController();
    this.again = 0;
    this.moved = performance.now();
    // End of the video that is here, how often the stream was opened and when, and when video came.
    this.newest = this.openings = 0;
    this.received = this.opened = performance.now();
    this.#open();
    video.addEventListener("timeupdate", () => this.#move(), { signal: this.stop.signal });
    this.watching = setInterval(() => this.#watch(), 500);
  }

  #open() {
    const mpegts = /** @type {any} */ (globalThis).mpegts;
    mpegts.LoggingControl.enableAll = false;
    const url = new URL("live.ts", document.baseURI).href;
    const isMute = unplayable(this.recording.streams).sound !== null;
    this.player = mpegts.createPlayer(
      { type: "mpegts", isLive: true, url, ...(isMute && { hasAudio: false }) },
      {
        enableWorker: false,
        enableStashBuffer: false,
        liveBufferLatencyChasing: true,
        liveBufferLatencyMaxLatency: 1.2,
        liveBufferLatencyMinRemain: 0.3,
        autoCleanupSourceBuffer: true,
        autoCleanupMaxBackwardDuration: 60,
        autoCleanupMinBackwardDuration: 30,
      },
    );
    const reopen = () => this.#reopen();
    this.player.on(
      mpegts.Events.ERROR,
      (/** @type {string} */ _, /** @type {string} */ details) => {
        if (details === mpegts.ErrorDetails.MEDIA_FORMAT_UNSUPPORTED) this.fail(details);
        else reopen();
      },
    );
    this.player.on(mpegts.Events.LOADING_COMPLETE, reopen);
    this.player.attachMediaElement(this.video);
    this.player.load();
    this.player.play()?.catch(() => this.tell());
    this.newest = 0;
    this.openings++;
    this.moved = this.opened = performance.now();
  }

  /** Opens the stream again after a moment: the sender pauses, or the network does. */
  #reopen() {
    clearTimeout(this.again);
    this.again = setTimeout(() => {
      if (this.stop.signal.aborted) return;
      this.player?.destroy();
      this.player = null;
      if (this.recording.isLive) this.#open();
      this.tell();
    }, AGAIN);
  }

  #move() {
    this.moved = performance.now();
    this.tell();
  }

  /** Stays at the live edge, also where the stream has a hole. */
  #watch() {
    if (this.video.paused) {
      this.moved = performance.now();
      return;
    }
    const buffered = this.video.buffered;
    this.#receive();
    if (buffered.length > 0) {
      const newest = buffered.length - 1;
      // A hole in the stream: the pictures after it are there.
      if (this.video.currentTime < buffered.start(newest))
        this.video.currentTime = buffered.start(newest) + 0.05;
    }
    if (performance.now() - this.moved > STALLED && this.recording.isLive) {
      this.moved = performance.now();
      this.#reopen();
    }
    this.tell();
  }

  /**
   * Notes that video comes. A stream that was opened again begins with data that were sent before, so
   * the first moments count only for the first one.
   */
  #receive() {
    const { buffered } = this.video;
    const newest = buffered.length ? buffered.end(buffered.length - 1) : 0;
    const now = performance.now();
    const isNew = newest > this.newest;
    if (isNew && (this.openings === 1 || now - this.opened > REPEATED)) this.received = now;
    this.newest = newest;
  }

  /** Whole seconds since video last came; 0 while it comes. */
  get silence() {
    const seconds = Math.floor((performance.now() - this.received) / 1000);
    return this.video.paused || seconds < SILENT ? 0 : seconds;
  }

  /** Seconds of video that are here and were not shown yet. */
  get behind() {
    const { buffered, currentTime } = this.video;
    return buffered.length ? Math.max(0, buffered.end(buffered.length - 1) - currentTime) : 0;
  }

  get time() {
    return Math.max(0, this.recording.edge() - this.behind);
  }

  /**
   * Returns the time that is some frames on.
   * @param {number} count
   */
  frameAfter(count) {
    return this.time + count * this.recording.frameDuration;
  }

  get isPlaying() {
    return !this.video.paused;
  }

  /** The speed is that of the stream. */
  set rate(/** @type {number} */ _) {
    this.video.playbackRate = 1;
  }

  play() {
    const { buffered } = this.video;
    if (buffered.length)
      this.video.currentTime = Math.max(0, buffered.end(buffered.length - 1) - 0.3);
    this.video.play().catch(() => this.tell());
  }

  pause() {
    this.video.pause();
  }

  /** The newest time is the only one. @param {number} _ */
  seek(_) {}

  end() {
    this.stop.abort();
    clearTimeout(this.again);
    clearInterval(this.watching);
    this.player?.destroy();
    this.player = null;
  }
}
