// Damaged and hostile files, made from sound ones with numbers that a seed determines.
const SIGNATURE = 8;

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n;
});
export function crc32(data, before = 0) {
  let crc = ~before;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  return ~crc >>> 0;
}

/** A generator of numbers from 0 to n - 1 (mulberry32). */
export function random(seed) {
  return (n) => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % n;
  };
}

/** A number as varints are written, from its place; with the place behind it. */
function varintAt(data, at) {
  let value = 0;
  for (let shift = 0; at < data.length; shift += 7) {
    value += (data[at] & 127) * 2 ** shift;
    if (data[at++] < 128) break;
  }
  return [value, at];
}

const isCompact = (data) => data[4] === 2;

/** The chunks of a sound file: type, where it begins, and its payload's place; head and tiles of a compact file are among them. */
function chunksOf(data) {
  if (!isCompact(data)) return following(data, SIGNATURE);
  const [length, start] = varintAt(data, 5);
  const end = start + length;
  const head = { type: "head", start: 0, payload: start, end };
  if (data[start] & 16) return [head, ...following(data, end + 4)];
  return [head, { type: "TDAT", start: end + 4, payload: end + 4, end: data.length }];
}

function following(data, from) {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  const found = [];
  for (let at = from; at + 8 <= data.length; ) {
    const type = String.fromCharCode(...data.subarray(at, at + 4));
    const length = view.getUint32(at + 4, true);
    found.push({ type, start: at, payload: at + 8, end: at + 8 + length });
    at += 8 + length + (type === "TDAT" ? 0 : 4);
  }
  return found;
}

/** Compute all checksums of bytes anew, those of tiles too, so that a decoder believes what was changed. */
function resealed(data) {
  const view = new DataView(data.buffer);
  const chunks = chunksOf(data);
  const [index, tiles] = ["TIDX", "TDAT"].map((name) => chunks.find(({ type }) => type === name));
  if (index && tiles) {
    let start = tiles.payload;
    for (let at = index.payload, number = 0; at < index.end; number++) {
      if (data[at++] === 255) continue;
      let length;
      [length, at] = varintAt(data, at);
      if (at + 7 > index.end) break;
      const head = new Uint8Array([number & 255, number >> 8, 0, 0]);
      view.setUint32(at + 1, crc32(data.subarray(start, start + length), crc32(head)), true);
      start += length;
      at += 7;
    }
  }
  const head = chunks.find(({ type }) => type === "head");
  if (head && tiles) {
    let at = head.payload;
    for (let field = 0; field < 3; field++) [, at] = varintAt(data, at);
    at += 10 + (data[head.payload] & 64 ? 4 : 0) + (data[head.payload] & 32 ? 2 : 0);
    if (at + 4 <= head.end) view.setUint32(at, crc32(data.subarray(tiles.payload, tiles.end)), true);
  }
  for (const { type, start, end } of chunks) {
    if (type !== "TDAT" && end + 4 <= data.length) view.setUint32(end, crc32(data.subarray(start, end)), true);
  }
  return data;
}

function changedByte(data, from, to, pick) {
  const at = from + pick(Math.max(to - from, 1));
  const kinds = [() => data[at] ^ (1 << pick(8)), () => pick(256), () => 0, () => 255, () => 127];
  if (at < data.length) data[at] = kinds[pick(kinds.length)]();
}

/** The file with one byte of its index moved, or taken out and another doubled, so that its length stays. */
function movedWithin(data, head, pick) {
  const first = Math.min(head.payload + 19, head.end - 1);
  const index = [...data.subarray(first, head.end)];
  const [byte] = index.splice(pick(index.length), 1);
  index.splice(pick(index.length + 1), 0, pick(2) || index.length === 0 ? byte : index[pick(index.length)]);
  data.set(index, first);
  return data;
}

/** Another file from a sound one. */
export function mutated(sound, seed) {
  const pick = random(seed);
  const data = sound.slice();
  const chunks = chunksOf(data);
  switch (pick(6)) {
    case 0: // transmission: a few bytes anywhere
      for (let n = pick(4); n >= 0; n--) changedByte(data, 0, data.length, pick);
      return data;
    case 1: // cut short
      return data.slice(0, pick(data.length));
    case 2: { // bytes more, or fewer, somewhere
      const [at, count] = [pick(data.length), 1 + pick(40)];
      const extra = Uint8Array.from({ length: count }, () => pick(256));
      const rest = data.subarray(pick(2) ? at : Math.min(at + count, data.length));
      return Uint8Array.from([...data.subarray(0, at), ...(pick(2) ? extra : []), ...rest]);
    }
    case 3: { // a lying header or index, sealed anew
      const chunk = chunks[pick(chunks.length)];
      for (let n = pick(3); n >= 0; n--) changedByte(data, chunk.payload, chunk.end, pick);
      return resealed(data);
    }
    case 4: { // payloads that no encoder writes, sealed anew
      const chunk = chunks.find(({ type }) => type === "TDAT") ?? chunks[0];
      const first = chunk.type === "TDAT" ? chunk.payload : Math.min(chunk.payload + 31, chunk.end - 1);
      for (let n = pick(30); n >= 0; n--) changedByte(data, first, chunk.end, pick);
      return resealed(data);
    }
    default: { // chunks in another order, twice, or missing; bytes of a compact head likewise
      if (isCompact(data) && (pick(2) || chunks.length === 2)) return resealed(movedWithin(data, chunks[0], pick));
      const pieces = chunks.map(({ type, start, end }) => data.slice(start, type === "TDAT" ? end : end + 4));
      const at = pick(pieces.length);
      const [piece] = pieces.splice(at, 1);
      for (let n = pick(3); n > 0; n--) pieces.splice(pick(pieces.length + 1), 0, piece);
      return Uint8Array.from([...data.subarray(0, isCompact(data) ? 0 : SIGNATURE), ...pieces.flatMap((part) => [...part])]);
    }
  }
}
