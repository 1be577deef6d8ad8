import { require } from "./errors.js";

const TOTAL = 1 << 24;
const ESCAPE = TOTAL / 65536;

/**
 * Reads symbols from a payload (docs/format.md, "The rANS stream").
 *
 * The state is 64 bits in two halves below 2^32, kept as numbers: every product and sum here is below 2^53.
 */
export class RansReader {
  private high = 0;
  private low = 0;
  private position: number;
  private readonly words: Uint32Array;

  constructor(payload: Uint8Array) {
    require(payload.length === 0 || payload[payload.length - 1] !== 0, "corrupt", "its payload ends in a zero byte.");
    const padded = new Uint8Array(Math.ceil(payload.length / 4) * 4);
    padded.set(payload);
    const view = new DataView(padded.buffer);
    this.words = Uint32Array.from({ length: padded.length / 4 }, (_, i) => view.getUint32(4 * i, true));
    this.position = this.words.length;
    while (this.high === 0 && this.position > 0) this.refill();
  }

  private refill(): void {
    this.high = this.low;
    this.low = this.words[--this.position]!;
  }

  /** x = f * floor(x / 2^24) + rest, where rest is the place within the symbol's share. */
  private advance(frequency: number, rest: number): void {
    // floor(x / 2^24) has 40 bits: `upper` * 2^20 + `lower`
    const upper = Math.floor(this.high / 4096);
    const lower = (this.high & 4095) * 256 + (this.low >>> 24);
    const product = frequency * upper;
    const carried = Math.floor(product / 4096);
    const sum = (product - carried * 4096) * 1048576 + frequency * lower + rest;
    this.high = carried + Math.floor(sum / 4294967296);
    this.low = sum >>> 0;
    if (this.high === 0 && this.position > 0) this.refill();
  }

  /** The next entry of a table; `starts` has the cumulative frequencies from `begin` to `end`, the last being 2^24. */
  symbol(starts: Uint32Array, begin: number, end: number): number {
    const code = this.low & (TOTAL - 1);
    let low = begin;
    let high = end;
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= code) low = middle;
      else high = middle;
    }
    const start = starts[low]!;
    this.advance(starts[low + 1]! - start, code - start);
    return low - begin;
  }

  /** The next entry of the uniform table of 65536 entries. */
  escape(): number {
    const code = this.low & (TOTAL - 1);
    const entry = code >>> 8;
    this.advance(ESCAPE, code & 255);
    return entry;
  }

  /** Check that nothing is left but the state that the encoder started from: 0, or a number below 2^32. */
  finish(start = 0): void {
    const sound = this.high === 0 && this.low === start && this.position === 0;
    require(sound, "corrupt", "its stream does not end as it must behind the last symbol.");
  }
}
