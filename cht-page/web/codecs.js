// What a browser plays of a recording, and the command for what it does not play.

import { element, iconButton } from "./dom.js";

/**
 * Codecs by ffmpeg's names: how people call them, and how MSE does; those without a second name
 * are in no browser.
 */
const VIDEO = {
  h264: ["H.264", "avc1.64002a"],
  hevc: ["HEVC", "hvc1.1.6.L120.b0"],
  mpeg2video: ["MPEG-2"],
  mpeg1video: ["MPEG-1"],
  mpeg4: ["MPEG-4 Visual"],
  vvc: ["VVC"],
  cavs: ["AVS"],
  vc1: ["VC-1"],
};
const SOUND = {
  aac: ["AAC", "mp4a.40.2"],
  aac_latm: ["AAC in LATM"],
  mp3: ["MP3", "mp3"],
  mp2: ["MP2"],
  ac3: ["AC-3", "ac-3"],
  eac3: ["E-AC-3", "ec-3"],
  opus: ["Opus", "opus"],
  dts: ["DTS"],
};

/**
 * @param {Record<string, string[]>} known
 * @param {string | undefined} codec
 * @param {string} kind
 */
function refused(known, codec, kind) {
  if (!codec) return null;
  const [name, type] = known[codec] ?? [codec];
  const plays = type && globalThis.MediaSource?.isTypeSupported(`${kind}/mp4; codecs="${type}"`);
  return plays ? null : name;
}

/**
 * Returns which of the recording's codecs this browser does not play, by their names.
 * @param {{video?: string, sound?: string}} streams
 */
export function unplayable(streams) {
  return {
    video: refused(VIDEO, streams.video, "video"),
    sound: refused(SOUND, streams.sound, "audio"),
  };
}

/**
 * Returns the command that plays the recording from a time on.
 * @param {import("./recording.js").Recording} recording
 * @param {number} time
 */
export function playCommand(recording, time) {
  return `cht-monitor ${quoted(recording.folder)} --from ${Number(time.toFixed(1))}`;
}

/**
 * Tells whether hls.js has given up since the video is not there, or cannot be had.
 * @param {string} details its name of the error, or the message of another
 */
export function isLost(details) {
  return /^(levelEmpty|(manifest|level|frag|key).*Load)/.test(details);
}

/**
 * Says why a player has given up.
 * @param {string} details hls.js's name of the error, `videoFile`, or the message of another
 */
export function reasonOf(details) {
  if (details === "levelEmptyError")
    return "No video is left in this session. The pictures play in their times.";
  if (details === "videoFile")
    return (
      "This browser does not play the video file of the page, or it is not there any more. The " +
      "pictures play in their times."
    );
  if (isLost(details))
    return (
      `The video cannot be read (${details}): it is not there any more, or the server does not ` +
      "answer. The pictures play in their times."
    );
  return `This browser does not play the video (${details}).`;
}

/** Tells whether the server does not know this session any more: it was renamed or removed. */
export async function isGone() {
  try {
    return (await fetch("data.js", { method: "HEAD", cache: "no-store" })).status === 404;
  } catch {
    return false;
  }
}

/**
 * Makes what is offered next to a notice: the command that plays the video, or the way to the
 * other sessions.
 * @param {string} command
 * @param {boolean} isGone
 * @param {(text: string, said: string) => void} copy
 */
export function helpsOf(command, isGone, copy) {
  if (isGone) return [element("a", { href: "../../" }, "All sessions")];
  if (!command) return [];
  const press = () => copy(command, "Command copied");
  return [element("code", {}, command), iconButton("copy", "Copy the command", press)];
}

/**
 * Quotes a word for a shell.
 * @param {string} word
 */
export function quoted(word) {
  return /^[\w./:=@%+,-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
