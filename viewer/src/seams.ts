import { type Box, grown, intersection } from "./grid.js";
import type { Header } from "./header.js";

/** Pixels on either side of a seam that fusion changes, along it of one block, and around a block that it reads. */
const REACH = 16;
const SEGMENT = 64;
export const MARGIN = 3;

/** A block of pixels beside a seam at x or y = `seam` (docs/format.md, "Fusion"). */
export interface SeamBlock {
  box: Box;
  seam: number;
  horizontal: boolean;
}

function seamsWithin(origin: number, tile: number, size: number, from: number, to: number): number[] {
  const first = origin > 0 ? origin : tile;
  const seams: number[] = [];
  const start = first + Math.max(0, Math.ceil((from - REACH - first) / tile)) * tile;
  for (let at = start; at < size && at - REACH < to; at += tile) seams.push(at);
  return seams;
}

/** The blocks that share a pixel with `area`. */
export function seamBlocks(header: Header, area: Box): SeamBlock[] {
  const { width, height, tile, originX, originY } = header;
  const blocks: SeamBlock[] = [];
  const add = (box: Box, seam: number, horizontal: boolean) => {
    if (box.left < box.right && box.top < box.bottom && intersection(box, area)) blocks.push({ box, seam, horizontal });
  };
  for (const seam of seamsWithin(originX, tile, width, area.left, area.right)) {
    const [left, right] = [Math.max(seam - REACH, 0), Math.min(seam + REACH, width)];
    for (let y = segmentAt(area.top, originY); y < area.bottom; y += SEGMENT) {
      add({ left, right, top: Math.max(y, 0), bottom: Math.min(y + SEGMENT, height) }, seam, false);
    }
  }
  for (const seam of seamsWithin(originY, tile, height, area.top, area.bottom)) {
    const [top, bottom] = [Math.max(seam - REACH, 0), Math.min(seam + REACH, height)];
    for (let x = segmentAt(area.left, originX); x < area.right; x += SEGMENT) {
      const box = { left: Math.max(x, 0), right: Math.min(x + SEGMENT, width), top, bottom };
      // where seams cross, the vertical one has the pixels
      for (const upright of seamsWithin(originX, tile, width, box.left, box.right)) {
        if (upright <= box.left) box.left = Math.max(box.left, upright + REACH);
        else box.right = Math.min(box.right, upright - REACH);
      }
      add(box, seam, true);
    }
  }
  return blocks;
}

/** Where the segment begins that holds a position; they are aligned to the origin. */
function segmentAt(position: number, origin: number): number {
  return Math.floor((position - origin) / SEGMENT) * SEGMENT + origin;
}

/** Pixels that a block reads; may reach beyond the picture. */
export function pixelsRead({ box }: SeamBlock): Box {
  return grown(box, MARGIN);
}

/** Rows along the seam and columns across it. */
export function blockShape({ box, horizontal }: SeamBlock): [number, number] {
  const [width, height] = [box.right - box.left, box.bottom - box.top];
  return horizontal ? [width, height] : [height, width];
}

/**
 * What the network reads of a block: (R, G, B - 128) / 64, the distance to the seam / 16, the rate; 5 planes.
 *
 * `pixel` gives a channel of a pixel within the picture.
 */
export function blockInput(
  block: SeamBlock,
  picture: Box,
  rate: number,
  pixel: (channel: number, x: number, y: number) => number,
): Float32Array {
  const [along, across] = blockShape(block).map((n) => n + 2 * MARGIN) as [number, number];
  const { box, seam, horizontal } = block;
  const plane = along * across;
  const out = new Float32Array(5 * plane);
  const begin = horizontal ? box.top : box.left;
  const clamp = (value: number, most: number) => Math.min(Math.max(value, 0), most);
  for (let i = 0; i < along; i++) {
    for (let j = 0; j < across; j++) {
      const [dx, dy] = horizontal ? [i, j] : [j, i];
      const x = clamp(box.left - MARGIN + dx, picture.right - 1);
      const y = clamp(box.top - MARGIN + dy, picture.bottom - 1);
      const at = i * across + j;
      for (let channel = 0; channel < 3; channel++) {
        out[channel * plane + at] = (pixel(channel, x, y) - 128) / 64;
      }
      out[3 * plane + at] = (begin - MARGIN + j - seam + 0.5) / REACH;
      out[4 * plane + at] = rate;
    }
  }
  return out;
}

/** What is added to a block's pixels, 3 x height x width, from what the network gave for it (3 x along x across). */
export function correction(block: SeamBlock, out: Float32Array, base: number): Float32Array {
  const [along, across] = blockShape(block);
  const { box, seam, horizontal } = block;
  const begin = horizontal ? box.top : box.left;
  const change = new Float32Array(3 * along * across);
  for (let j = 0; j < across; j++) {
    const distance = (begin + j - seam + 0.5) / REACH;
    const weight = Math.fround(Math.fround(1 - distance * distance) * base);
    for (let channel = 0; channel < 3; channel++) {
      for (let i = 0; i < along; i++) {
        const value = weight * out[(channel * along + i) * across + j]!;
        change[horizontal ? (channel * across + j) * along + i : (channel * along + i) * across + j] = value;
      }
    }
  }
  return change;
}
