// Plays the kept pictures in their times: where there is no video, or none that the browser plays.

export class Stills {
  /**
   * @param {import("./recording.js").Recording} recording
   * @param {() => void} tell called when the time has changed
   */
  constructor(recording, tell) {
    this.recording = recording;
    this.tell = tell;
    this.time = 0;
    this.rate = 1;
    this.isPlaying = false;
    this.isLive = false;
  }

  play() {
    if (this.isPlaying) return;
    this.isPlaying = true;
    let last = performance.now();
    const step = (/** @type {number} */ now) => {
      if (!this.isPlaying) return;
      this.time += ((now - last) / 1000) * this.rate;
      last = now;
      const end = this.recording.end;
      if (this.time >= end && !this.recording.isLive) {
        this.time = end;
        this.isPlaying = false;
      }
      this.tell();
      requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
    this.tell();
  }

  pause() {
    this.isPlaying = false;
    this.tell();
  }

  /**
   * Returns the time that is some frames on. Mostly a picture begins with its frame.
   * @param {number} count
   */
  frameAfter(count) {
    return this.time + count * this.recording.frameDuration;
  }

  /** @param {number} time */
  seek(time) {
    this.time = time;
    this.tell();
  }

  end() {
    this.isPlaying = false;
  }
}
