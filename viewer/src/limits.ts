import { require } from "./errors.js";

/** Sizes beyond which a file is refused before anything is allocated (docs/format.md, "Limits"). */
export const LIMITS = {
  pixels: 178_956_970,
  side: 262_144,
  tiles: 65_536,
  ancillaryBytes: 16 * 2 ** 20,
} as const;

export function checkSize(width: number, height: number, what: string): void {
  require(width <= LIMITS.side && height <= LIMITS.side, "limit", `${what} has a side of more than ${LIMITS.side}.`);
  require(width * height <= LIMITS.pixels, "limit", `${what} of ${width} x ${height} is larger than the limits allow.`);
}

export function checkTiles(count: number): void {
  require(count <= LIMITS.tiles, "limit", `The picture has ${count} tiles, more than allowed.`);
}
