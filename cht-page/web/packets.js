// Packets of MPEG-TS (ISO/IEC 13818-1 §2.4.3).

const LENGTH = 188;
const SYNC = 0x47;

/** PID of packets that hold nothing. */
const NULL_PID = 0x1fff;

/**
 * @param {ArrayBuffer} first
 * @param {ArrayBuffer} second
 */
export function joined(first, second) {
  const bytes = new Uint8Array(first.byteLength + second.byteLength);
  bytes.set(new Uint8Array(first), 0);
  bytes.set(new Uint8Array(second), first.byteLength);
  return bytes.buffer;
}

/**
 * Makes the packets of a PID into packets that hold nothing.
 * @param {Uint8Array} bytes
 * @param {number} pid
 */
export function withoutPid(bytes, pid) {
  let at = bytes.indexOf(SYNC);
  while (at >= 0 && at + LENGTH <= bytes.length) {
    if (bytes[at] !== SYNC) {
      at = bytes.indexOf(SYNC, at);
      continue;
    }
    if ((((bytes[at + 1] & 0x1f) << 8) | bytes[at + 2]) === pid) {
      bytes[at + 1] = (bytes[at + 1] & 0xe0) | (NULL_PID >> 8);
      bytes[at + 2] = NULL_PID & 0xff;
    }
    at += LENGTH;
  }
}
