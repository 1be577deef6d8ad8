import type { Header } from "./header.js";

/** A rectangle of pixels: left and top inclusive, right and bottom exclusive. */
export interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

export function intersection(a: Box, b: Box): Box | undefined {
  const box = {
    left: Math.max(a.left, b.left),
    top: Math.max(a.top, b.top),
    right: Math.min(a.right, b.right),
    bottom: Math.min(a.bottom, b.bottom),
  };
  return box.left < box.right && box.top < box.bottom ? box : undefined;
}

export function grown(box: Box, by: number): Box {
  return { left: box.left - by, top: box.top - by, right: box.right + by, bottom: box.bottom + by };
}

export interface Neighbour {
  index: number;
  dy: -1 | 0 | 1;
  dx: -1 | 0 | 1;
}

/** The tiles of a picture (docs/format.md, "The grid" and "The lattice"). */
export class Grid {
  readonly columns: number;
  readonly rows: number;
  readonly picture: Box;

  constructor(private readonly header: Pick<Header, "width" | "height" | "tile" | "originX" | "originY">) {
    const { width, height, originX, originY } = header;
    this.columns = this.cell(width - 1, originX) + 1;
    this.rows = this.cell(height - 1, originY) + 1;
    this.picture = { left: 0, top: 0, right: width, bottom: height };
  }

  get count(): number {
    return this.columns * this.rows;
  }

  /** Column or row of a pixel, counted from the first one in the picture. */
  private cell(position: number, origin: number): number {
    return Math.floor((position - origin) / this.header.tile) + (origin > 0 ? 1 : 0);
  }

  /** Pixels of a tile within the picture. */
  box(index: number): Box {
    const { tile, width, height, originX, originY } = this.header;
    const x = originX + ((index % this.columns) - (originX > 0 ? 1 : 0)) * tile;
    const y = originY + (Math.floor(index / this.columns) - (originY > 0 ? 1 : 0)) * tile;
    return {
      left: Math.max(x, 0), top: Math.max(y, 0), right: Math.min(x + tile, width), bottom: Math.min(y + tile, height),
    };
  }

  /** Pixels that a tile's latents cover; may reach beyond the picture. */
  latentBox(index: number): Box {
    return this.squares(this.box(index));
  }

  /** Pixels of all squares of the lattice that share a pixel with `box`. */
  squares(box: Box): Box {
    const x = this.header.originX % 16;
    const y = this.header.originY % 16;
    return {
      left: Math.floor((box.left - x) / 16) * 16 + x,
      top: Math.floor((box.top - y) / 16) * 16 + y,
      right: Math.ceil((box.right - x) / 16) * 16 + x,
      bottom: Math.ceil((box.bottom - y) / 16) * 16 + y,
    };
  }

  /** Rows and columns of a tile's latents. */
  latentShape(index: number): [number, number] {
    const box = this.latentBox(index);
    return [(box.bottom - box.top) / 16, (box.right - box.left) / 16];
  }

  /** Numbers of the tiles that share a pixel with `box`, row by row. */
  touching(box: Box): number[] {
    const inside = intersection(box, this.picture);
    if (!inside) return [];
    const { originX, originY } = this.header;
    const found: number[] = [];
    for (let row = this.cell(inside.top, originY); row <= this.cell(inside.bottom - 1, originY); row++) {
      for (let column = this.cell(inside.left, originX); column <= this.cell(inside.right - 1, originX); column++) {
        found.push(row * this.columns + column);
      }
    }
    return found;
  }

  /** The up to eight neighbours of a tile. */
  around(index: number): Neighbour[] {
    const row = Math.floor(index / this.columns);
    const column = index % this.columns;
    const found: Neighbour[] = [];
    for (const dy of [-1, 0, 1] as const) {
      for (const dx of [-1, 0, 1] as const) {
        const [y, x] = [row + dy, column + dx];
        if ((dy !== 0 || dx !== 0) && y >= 0 && y < this.rows && x >= 0 && x < this.columns) {
          found.push({ index: y * this.columns + x, dy, dx });
        }
      }
    }
    return found;
  }
}
