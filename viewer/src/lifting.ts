/** Where `joinBlockMeans` cuts its results off. */
const LARGEST = 1 << 22;

/** Factors of the lifting steps of the 9/7 wavelet, in 2^-16. */
const EVEN = 57007;
const ODD = 75340;
const STEPS = [
  [29066, 57862],
  [-3472, -103949],
] as const;

/**
 * Wavelet coefficients of one channel of block means to the means, in place (docs/format.md, "Block means").
 *
 * Everything is exact: latents are below 2^20, a line's results and what lies between are at most 4.5 times its values,
 * so no product reaches 2^49, and numbers of JavaScript are exact up to 2^53.
 *
 * @param plane rows x columns integers, in sixteenths of a symbol.
 */
export function joinBlockMeans(plane: Float64Array, rows: number, columns: number): void {
  for (let i = 0; i < plane.length; i++) plane[i]! *= 16;
  for (const d of [2, 1]) {
    const [h, w] = [Math.ceil(rows / d), Math.ceil(columns / d)];
    for (let x = 0; x < w; x++) joinLine(plane, x * d, columns * d, h);
    for (let y = 0; y < h; y++) joinLine(plane, y * columns * d, d, w);
  }
  for (let i = 0; i < plane.length; i++) {
    plane[i] = Math.min(Math.max(Math.floor((plane[i]! + 8) / 16), -LARGEST), LARGEST);
  }
}

/** Join `count` values that begin at `start`, each `stride` behind the one before. */
function joinLine(z: Float64Array, start: number, stride: number, count: number): void {
  if (count === 1) return;
  const end = start + count * stride;
  const [even, odd, two] = [start, start + stride, 2 * stride];
  const lastEven = start + (count - 1 - ((count - 1) % 2)) * stride;
  const lastOdd = start + (count - 1 - (count % 2)) * stride;
  for (let i = even; i < end; i += two) z[i] = scaled(EVEN * z[i]!);
  for (let i = odd; i < end; i += two) z[i] = scaled(ODD * z[i]!);
  for (const [toEven, toOdd] of STEPS) {
    for (let i = even; i < end; i += two) {
      z[i]! -= scaled(toEven * (z[Math.max(i - stride, odd)]! + z[Math.min(i + stride, lastOdd)]!));
    }
    for (let i = odd; i < end; i += two) {
      z[i]! -= scaled(toOdd * (z[i - stride]! + z[Math.min(i + stride, lastEven)]!));
    }
  }
}

function scaled(n: number): number {
  return Math.floor((n + 32768) / 65536);
}
