// Times as people read and type them.

/**
 * Writes seconds as a clock: `1:02:03.5`.
 * @param {number} seconds
 * @param {number} [decimals]
 */
export function clock(seconds, decimals = 0) {
  const unit = 10 ** decimals;
  const all = Math.floor(Math.max(0, seconds) * unit + 1e-6);
  const whole = Math.floor(all / unit);
  const [hours, minutes, rest] = [
    Math.floor(whole / 3600),
    Math.floor(whole / 60) % 60,
    whole % 60,
  ];
  const two = (/** @type {number} */ number) => String(number).padStart(2, "0");
  const fraction = decimals ? `.${String(all % unit).padStart(decimals, "0")}` : "";
  return (hours ? `${hours}:${two(minutes)}` : `${minutes}`) + `:${two(rest)}${fraction}`;
}

/**
 * Reads seconds, `MM:SS` or `H:MM:SS`, each with decimals. Returns `null` for anything else.
 * @param {string} text
 */
export function parseClock(text) {
  const parts = text.trim().split(":");
  if (parts.length > 3 || !parts.every((part) => /^\d+(\.\d+)?$/.test(part))) return null;
  return parts.reduce((sum, part) => sum * 60 + Number(part), 0);
}

/**
 * Writes a duration in words that fit under a picture: `0.8 s`, `12 s`, `3 min`, `1.5 h`.
 * @param {number} seconds
 */
export function span(seconds) {
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 100) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  return `${(seconds / 3600).toFixed(1)} h`;
}

/**
 * Writes the time of day of a wall clock, in the browser's time zone.
 * @param {string | undefined} at
 */
export function timeOfDay(at) {
  if (!at) return "";
  return new Date(at).toLocaleTimeString([], {
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hour12: false,
  });
}

/**
 * Writes the day of a wall clock.
 * @param {string | undefined} at
 */
export function day(at) {
  if (!at) return "";
  return new Date(at).toLocaleDateString([], {
    weekday: "short",
    year: "numeric",
    month: "short",
    day: "numeric",
  });
}
