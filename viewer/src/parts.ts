import type { Box } from "./grid.js";

/** Pixels along a side of a part. */
const SIDE = 256;
/** Pixels along a side of a latent's square. */
const STRIDE = 16;

/**
 * A tile is synthesised in parts, so that the first one is there before the whole tile is. Tiles without synthesis, drawn and
 * absent ones, are one part.
 */
export interface Part {
  /** Number of the tile in the grid. */
  index: number;
  /** Pixels within the picture. */
  box: Box;
}

/**
 * A tile's pixels in parts, row by row from the top left. They begin where squares of latents do; a remainder of less than
 * half a part stays with the part before.
 *
 * @param box pixels of the tile.
 * @param squares pixels that its latents cover.
 */
export function cut(box: Box, squares: Box): Box[] {
  const rows = spans(box.top, box.bottom, squares.top);
  const columns = spans(box.left, box.right, squares.left);
  return rows.flatMap(([top, bottom]) => columns.map(([left, right]) => ({ left, top, right, bottom })));
}

function spans(from: number, to: number, origin: number): [number, number][] {
  const count = Math.max(1, Math.round((to - origin) / SIDE));
  return Array.from({ length: count }, (_, i) => [
    i === 0 ? from : origin + i * SIDE,
    i + 1 === count ? to : origin + (i + 1) * SIDE,
  ]);
}

/**
 * Latents that a part's pixels depend on, counted from the first one of its tile: those of its own squares, and `reach` more
 * on each side as far as the tile and its halo have them. Beyond the halo there is nothing for the whole tile either, so the
 * pixels are those that it has.
 */
export function latentWindow(part: Box, squares: Box, reach: number, halo: number): Box {
  const [rows, columns] = [(squares.bottom - squares.top) / STRIDE, (squares.right - squares.left) / STRIDE];
  return {
    left: Math.max(Math.floor((part.left - squares.left) / STRIDE) - reach, -halo),
    top: Math.max(Math.floor((part.top - squares.top) / STRIDE) - reach, -halo),
    right: Math.min(Math.ceil((part.right - squares.left) / STRIDE) + reach, columns + halo),
    bottom: Math.min(Math.ceil((part.bottom - squares.top) / STRIDE) + reach, rows + halo),
  };
}

/** What decides how far synthesis sees. */
export interface SynthesisLayers {
  /** Gated blocks, each with a convolution of 3 x 3 at 1/8 of the resolution. */
  blocks: number;
  /** Whether the blocks look at the linear term. */
  view: boolean;
  /** Convolutions of 3 x 3 in the filter at half the resolution; nothing if there is no filter. */
  filter: number | undefined;
}

/** How many latents beside a square its pixels depend on (docs/format.md, "Networks"). */
export function synthesisReach({ blocks, view, filter }: SynthesisLayers): number {
  // in eighths of the resolution: squares of 8 pixels, two to a latent
  const filtered = filter === undefined ? 0 : Math.ceil((2 * filter + 2) / 8);
  const lapped = 1; // the linear term reads half a square beyond a border
  const linear = filtered + lapped;
  const gated = filtered + blocks + (view ? lapped : 0);
  return Math.ceil(Math.max(linear, gated) / 2);
}
