// Plays the video file next to a page, as any browser does, also where the page itself is a file.

import { Film } from "./film.js";
import { WITHIN } from "./playlist.js";

/**
 * A part of the file without a pause: its times in the session, and where it begins in the file, in
 * seconds.
 * @typedef {{start: number, end: number, at: number}} FilePart
 */

/** Times of the file and of the session, by the parts of the file. */
export class FileTimes {
  /** @param {FilePart[]} parts in order */
  constructor(parts) {
    this.parts = parts;
  }

  /** Where the video begins and ends. */
  get range() {
    return { start: this.parts[0].start, end: this.parts[this.parts.length - 1].end };
  }

  /**
   * Returns the time of the session at a media time: between two parts, the end of the first.
   * @param {number} media
   */
  toSession(media) {
    const { parts } = this;
    const { start, end, at } = parts.findLast(({ at }) => at <= media + WITHIN) ?? parts[0];
    return Math.min(end, start + (media - at));
  }

  /**
   * Returns the media time of a time of the session: in a gap, that of the video after it.
   * @param {number} time
   */
  toMedia(time) {
    const part = this.parts.find(({ end }) => time + WITHIN < end) ?? this.parts.at(-1);
    return part ? part.at + Math.max(0, time - part.start) + WITHIN : null;
  }
}

export class VideoFile extends Film {
  /**
   * @param {HTMLVideoElement} video
   * @param {import("./recording.js").Recording} recording
   * @param {{path: string, parts: FilePart[]}} file
   * @param {{tell: () => void, fail: (message: string) => void}} options
   */
  constructor(video, recording, { path, parts }, { tell, fail }) {
    super(video, recording, tell);
    this.times = new FileTimes(parts);
    const { signal } = this.stop;
    const refuse = () => fail("videoFile");
    video.addEventListener("error", refuse, { signal });
    // Of a file with sound, a browser plays the sound alone where it cannot play the video.
    video.addEventListener("loadedmetadata", () => video.videoWidth || refuse(), { signal });
    video.preload = "auto";
    video.src = new URL(path, document.baseURI).href;
  }

  end() {
    super.end();
    this.video.removeAttribute("src");
    this.video.load();
  }
}
