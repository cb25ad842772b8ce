// Searching for words: in any case, with or without accents, and where they were found in a text.

import { element } from "./dom.js";

/** Letters that no decomposition takes apart, after lower case. */
const PLAIN = new Map(
  Object.entries({ ß: "ss", æ: "ae", œ: "oe", ø: "o", đ: "d", ł: "l", ı: "i", ς: "σ" }),
);
const SPECIAL = new RegExp(`[${[...PLAIN.keys()].join("")}]`, "g");

/** Marks on letters of any script; those that are letters of their own are in one script. */
const MARKS = /\p{Script=Inherited}/gu;

const ASCII = /^[\0-\x7f]*$/;

/** Characters before the first hit that a short place begins with. */
const BEFORE = 24;

/**
 * Returns a text without case, accents and forms of letters: `Köln` and `KOLN` are `koln`. The
 * rules are those of `cht-core/src/fold.rs`.
 * @param {string} text
 */
export function fold(text) {
  const lower = text.toLowerCase();
  if (ASCII.test(lower)) return lower;
  return lower
    .normalize("NFKD")
    .replace(MARKS, "")
    .replace(SPECIAL, (letter) => PLAIN.get(letter) ?? letter);
}

/** @param {string} text */
function spaced(text) {
  return text.replace(/\s+/g, " ").trim();
}

/**
 * Returns the terms of a query, folded: its words, those in quotation marks together.
 * @param {string} query
 */
export function termsOf(query) {
  return query
    .split('"')
    .flatMap((part, at) => (at % 2 ? [spaced(part)] : part.split(/\s+/)))
    .map(fold)
    .filter(Boolean);
}

/** Folded texts, which are searched at each letter that is typed. */
export class Folded {
  constructor() {
    /** By a key: the text, and the same folded. @type {Map<unknown, [string, string]>} */
    this.known = new Map();
  }

  /**
   * Returns a text, folded and with single spaces.
   * @param {unknown} key of which there is one text at a time
   * @param {string} text
   */
  of(key, text) {
    const known = this.known.get(key);
    if (known?.[0] === text) return known[1];
    const folded = spaced(fold(text));
    this.known.set(key, [text, folded]);
    return folded;
  }
}

/**
 * Returns where terms are in a text, in order: `[begin, end]` of each place.
 * @param {string} text
 * @param {string[]} terms
 */
export function placesOf(text, terms) {
  if (!terms.length) return [];
  let folded = "";
  /** Begin in the text of each character of `folded`. @type {number[]} */
  const begins = [];
  let at = 0;
  for (const letter of text) {
    const plain = /\s/.test(letter) ? " " : fold(letter);
    if (!(plain === " " && folded.endsWith(" "))) {
      folded += plain;
      for (let length = plain.length; length > 0; length--) begins.push(at);
    }
    at += letter.length;
  }
  /** @type {[number, number][]} */
  const places = [];
  for (const term of terms) {
    for (let from = folded.indexOf(term); from >= 0; from = folded.indexOf(term, from + 1)) {
      const last = begins[from + term.length - 1];
      const next = begins.find((begin) => begin > last) ?? text.length;
      places.push([begins[from], next]);
    }
  }
  places.sort((a, b) => a[0] - b[0]);
  /** @type {[number, number][]} */
  const joined = [];
  for (const [begin, end] of places) {
    const before = joined[joined.length - 1];
    if (before && begin <= before[1]) before[1] = Math.max(before[1], end);
    else joined.push([begin, end]);
  }
  return joined;
}

/**
 * Returns a text as nodes, with the terms in it marked.
 * @param {string} text
 * @param {string[]} terms
 * @param {boolean} [isShort] whether the text may begin shortly before the first of them
 * @returns {(Node | string)[]}
 */
export function marked(text, terms, isShort = false) {
  const places = placesOf(text, terms);
  if (!places.length) return [text];
  let at = 0;
  /** @type {(Node | string)[]} */
  const nodes = [];
  if (isShort && places[0][0] > 2 * BEFORE) {
    const space = text.indexOf(" ", places[0][0] - BEFORE);
    at = space < 0 || space >= places[0][0] ? places[0][0] : space + 1;
    nodes.push("… ");
  }
  for (const [begin, end] of places) {
    nodes.push(text.slice(at, begin), element("mark", {}, text.slice(begin, end)));
    at = end;
  }
  return [...nodes, text.slice(at)].filter((node) => node !== "");
}
