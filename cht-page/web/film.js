// Plays video in an element, led by times of the session.

import { WITHIN } from "./playlist.js";

/** Difference of two times that are one picture, in seconds. */
const SAME = 0.003;

/**
 * Media times of a video and times of the session: both ways. The media time is `null` before it is
 * known.
 * @typedef {{toMedia: (time: number) => number | null, toSession: (media: number) => number}} Times
 */

/** What all players of recorded video do. Each lets the element have its source. */
export class Film {
  /**
   * @param {HTMLVideoElement} video
   * @param {import("./recording.js").Recording} recording
   * @param {() => void} tell called when the time has changed
   */
  constructor(video, recording, tell) {
    this.video = video;
    this.recording = recording;
    this.tell = tell;
    this.isLive = false;
    /** Time that is sought, until the video is there. @type {number | null} */
    this.target = null;
    /** Whether it was told to play; a browser takes it for paused where it cannot play. */
    this.isTold = false;
    /** Media time of the frame on the screen, where the browser tells. @type {number | null} */
    this.shown = null;
    this.stop = new AbortController();
    /** Set by the player, before anything is sought. @type {Times | null} */
    this.times = null;
    const look = () => {
      if (this.video.seeking) return;
      if (this.target !== null && this.video.readyState >= 2) {
        this.aim();
        if (!this.video.seeking) this.target = null;
      }
      this.tell();
    };
    const { signal } = this.stop;
    this.video.addEventListener("pause", () => (this.isTold = false), { signal });
    for (const name of ["timeupdate", "seeked", "play", "pause", "canplay"]) {
      this.video.addEventListener(name, look, { signal });
    }
    this.#watchFrames();
  }

  /** Learns when the frame on the screen begins. */
  #watchFrames() {
    if (!this.video.requestVideoFrameCallback) return;
    const watch = (/** @type {number} */ _, /** @type {any} */ frame) => {
      if (!this.video.seeking) this.shown = frame.mediaTime;
      if (!this.stop.signal.aborted) this.video.requestVideoFrameCallback(watch);
    };
    this.video.requestVideoFrameCallback(watch);
  }

  /**
   * Returns the time of the session in the middle of the frame that is some frames on, so that no
   * rounding of times leads to the one next to it. Where the duration of frames varies, it goes on
   * by the shortest, also within a frame, and back to the frame before.
   * @param {number} count
   */
  frameAfter(count) {
    const duration = this.recording.frameDuration;
    const { currentTime } = this.video;
    if (this.target !== null) return this.target + count * duration;
    // The browser tells of a frame a moment after it is there: then this is still the one before.
    const middle = (this.shown ?? -Infinity) + duration / 2;
    const isShown = Math.abs(currentTime - middle) < 0.95 * duration;
    const media = (isShown ? middle : currentTime) + count * duration - WITHIN;
    return this.times?.toSession(media) ?? media;
  }

  /** Goes to the time that is sought; again when its place is known better. */
  aim() {
    if (this.target === null) return;
    const media = this.times?.toMedia(this.target) ?? null;
    if (media === null) return;
    // A video goes to its end for any later time.
    const place = Math.min(media, this.video.duration || Infinity);
    if (Math.abs(this.video.currentTime - place) > SAME) {
      this.shown = null;
      this.video.currentTime = place;
    }
  }

  get time() {
    const { currentTime } = this.video;
    return this.target ?? this.times?.toSession(currentTime) ?? currentTime;
  }

  /** Tells whether all video was played. */
  get hasEnded() {
    return this.target === null && this.video.ended;
  }

  get isPlaying() {
    return !this.video.paused && !this.video.ended;
  }

  /** @param {number} rate */
  set rate(rate) {
    this.video.playbackRate = rate;
  }

  play() {
    this.isTold = true;
    this.video.play().catch(() => this.tell());
  }

  pause() {
    this.video.pause();
  }

  /** @param {number} time */
  seek(time) {
    this.target = time;
    this.aim();
    this.tell();
  }

  end() {
    this.stop.abort();
  }
}
