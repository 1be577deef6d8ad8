import { Cache } from "./cache.js";
import type { Container } from "./container.js";
import { decodeDrawn } from "./drawn.js";
import { TcxError } from "./errors.js";
import { type Box, intersection } from "./grid.js";
import type { ModelSet } from "./model_set.js";
import type { Tensor } from "./runtime.js";
import { type SeamBlock, blockInput, blockShape, correction, seamBlocks, tilesRead } from "./seams.js";
import { type Coded, type TileSymbols, decodeMeans, decodeSymbols } from "./symbols.js";
import { ABSENT, DRAWN } from "./tiles.js";

/** Tiles that are kept; columns are rendered in bands so that a band's three rows of tiles fit. */
export const BAND = 12;
const KEPT_TILES = 3 * (BAND + 3);
const KEPT_BLOCKS = 8 * KEPT_TILES;
const NEUTRAL = 128;
const LARGEST_LEVEL = 1e6;

/** A tile before seams are repaired: 3 planes of levels from 0 to 255, neither rounded nor clamped. */
interface TilePixels {
  box: Box;
  planes: Float32Array;
}

/**
 * Pixels of a file, tile by tile (docs/format.md, "Networks", "Fusion", "Pixels").
 *
 * Every tile and every block beside a seam is computed alone, so any region comes out as in the whole picture.
 */
export class Renderer {
  /** Sentences about tiles that salvage leaves grey, by their number. */
  readonly damaged = new Map<number, string>();
  private readonly samples = new Cache<Promise<Uint8Array | undefined>>(KEPT_TILES);
  private readonly symbols = new Cache<Promise<TileSymbols | undefined>>(KEPT_TILES);
  private readonly pixels = new Cache<Promise<TilePixels>>(KEPT_TILES);
  private readonly changes = new Cache<Promise<Float32Array | undefined>>(KEPT_BLOCKS);

  constructor(
    private readonly file: Container,
    private readonly given: ModelSet | undefined,
  ) {}

  /** The model set that the file needs. */
  get models(): ModelSet {
    if (!this.given) throw new TcxError("unknown-set", "The file needs a model set, and none is there.");
    return this.given;
  }

  kind(index: number): "absent" | "drawn" | "coded" {
    const texture = this.file.tiles[index]!.texture;
    return texture === ABSENT ? "absent" : texture === DRAWN ? "drawn" : "coded";
  }

  /** What `decode` gives; with salvage nothing for a damaged tile, which is noted. */
  private async orDamaged<T>(index: number, decode: () => Promise<T>): Promise<T | undefined> {
    try {
      return await decode();
    } catch (error) {
      const damage = error instanceof TcxError && (error.kind === "corrupt" || error.kind === "truncated");
      if (!this.file.salvage || !damage) throw error;
      this.damaged.set(index, error.message);
      return undefined;
    }
  }

  /** Samples of a drawn tile. */
  samplesOf(index: number): Promise<Uint8Array | undefined> {
    const { file } = this;
    const box = file.grid.box(index);
    return this.samples.get(index, () =>
      this.orDamaged(index, async () =>
        decodeDrawn(
          file.tiles[index]!, file.payload(index), box.right - box.left, box.bottom - box.top, file.header.channels, index,
        ),
      ),
    );
  }

  /** Symbols of a tile that networks synthesise. */
  symbolsOf(index: number): Promise<TileSymbols | undefined> {
    return this.symbols.get(index, () => this.orDamaged(index, async () => decodeSymbols(this.coded(index))));
  }

  /**
   * Block means of a tile of entropy profile 2, 3 x h x w in symbols, which needs its first slice only. Where the data do
   * not match their checksum the tile is decoded to its end first, where its own checksum is.
   */
  async meansOf(index: number): Promise<Float32Array | undefined> {
    if (!this.file.dataIsSound && !(await this.symbolsOf(index))) return undefined;
    return this.orDamaged(index, async () => decodeMeans(this.coded(index)));
  }

  private coded(index: number): Coded {
    const { file } = this;
    const [rows, columns] = file.grid.latentShape(index);
    return { models: this.models, tile: file.tiles[index]!, payload: file.payload(index), rows, columns, index };
  }

  /** Whether a tile shows something: not absent, and not lost to damage. */
  private async isThere(index: number): Promise<boolean> {
    const kind = this.kind(index);
    if (kind === "absent") return false;
    return (kind === "drawn" ? await this.samplesOf(index) : await this.symbolsOf(index)) !== undefined;
  }

  /** A tile as synthesis leaves it, before its seams are repaired. */
  tile(index: number): Promise<TilePixels> {
    return this.pixels.get(index, async () => {
      const box = this.file.grid.box(index);
      const area = (box.right - box.left) * (box.bottom - box.top);
      const kind = this.kind(index);
      if (kind === "drawn") {
        const samples = await this.samplesOf(index);
        if (samples) return { box, planes: planesOf(samples, area, this.file.header.channels) };
      } else if (kind === "coded" && (await this.symbolsOf(index))) {
        return { box, planes: await this.synthesise(index, box) };
      }
      return { box, planes: new Float32Array(3 * area).fill(NEUTRAL) };
    });
  }

  private async synthesise(index: number, box: Box): Promise<Float32Array> {
    const { grid, tiles, header } = this.file;
    const { models } = this;
    const { texture, rate } = tiles[index]!;
    const [rows, columns] = grid.latentShape(index);
    const halo = header.halo;
    const [h, w] = [rows + 2 * halo, columns + 2 * halo];
    const latents = await this.withHalo(index, h, w);
    const bias = models.rateBias(texture, rate);
    const network = await models.synthesis(texture);
    const borders = header.profile === 2 ? await this.lappedBorders(index, rows, columns) : [];
    const out = await network.run(
      [
        { values: latents, shape: [1, models.channels, h, w] },
        { values: models.stepsOf(rate), shape: [1, models.channels, 1, 1] },
        { values: models.baseSteps.subarray(rate, rate + 1), shape: [1, 1, 1, 1] },
        { values: bias, shape: [1, bias.length, 1, 1] },
        ...borders,
      ],
      [1, 3, 16 * h, 16 * w],
    );
    const covered = grid.latentBox(index);
    const [x, y] = [16 * halo + box.left - covered.left, 16 * halo + box.top - covered.top];
    const [width, height] = [box.right - box.left, box.bottom - box.top];
    const planes = new Float32Array(3 * width * height);
    for (let channel = 0; channel < 3; channel++) {
      for (let row = 0; row < height; row++) {
        const from = (channel * 16 * h + y + row) * 16 * w + x;
        planes.set(out.subarray(from, from + width), (channel * height + row) * width);
      }
    }
    // latents that no encoder writes can overflow
    for (let i = 0; i < planes.length; i++) {
      const level = planes[i]!;
      if (!(Math.abs(level) <= LARGEST_LEVEL)) planes[i] = level > 0 ? LARGEST_LEVEL : -LARGEST_LEVEL;
    }
    return planes;
  }

  /**
   * Which block borders the lapped transform reaches across, first those between columns, then those between rows: 1 for
   * each that it does, the first and the last one being the tile's own (docs/format.md, "Lapped transform").
   */
  private async lappedBorders(index: number, rows: number, columns: number): Promise<Tensor[]> {
    const beside = new Set<string>();
    for (const { index: number, dy, dx } of this.file.grid.around(index)) {
      const counts = dy === 0 || dx === 0;
      if (counts && this.kind(number) === "coded" && (await this.symbolsOf(number))) beside.add(`${dy},${dx}`);
    }
    const inner = (blocks: number, before: string, behind: string): Tensor => {
      const values = new Float32Array(blocks + 1).fill(1);
      if (!beside.has(before)) values[0] = 0;
      if (!beside.has(behind)) values[blocks] = 0;
      return { values, shape: [blocks + 1, 1] };
    };
    return [inner(columns, "0,-1", "0,1"), inner(rows, "-1,0", "1,0")];
  }

  /** A tile's latents with its neighbours' outermost ones around them, C x h x w; zeros where there are none. */
  private async withHalo(index: number, h: number, w: number): Promise<Float32Array> {
    const { grid, tiles, header } = this.file;
    const { models } = this;
    const out = new Float32Array(models.channels * h * w);
    const own = (await this.symbolsOf(index))!;
    const halo = header.halo;
    const copy = (from: TileSymbols, y: Span, x: Span, scale?: (channel: number) => number) => {
      for (let channel = 0; channel < models.channels; channel++) {
        const factor = scale ? scale(channel) : 1;
        for (let row = 0; row < y.count; row++) {
          const source = (channel * from.rows + y.from + row) * from.columns + x.from;
          const target = (channel * h + y.to + row) * w + x.to;
          for (let i = 0; i < x.count; i++) out[target + i] = from.values[source + i]! * factor;
        }
      }
    };
    const whole = (count: number): Span => ({ from: 0, to: halo, count });
    copy(own, whole(own.rows), whole(own.columns));
    if (halo === 0) return out;
    for (const { index: number, dy, dx } of grid.around(index)) {
      if (this.kind(number) !== "coded") continue;
      const other = await this.symbolsOf(number);
      if (!other) continue;
      const [y, x] = [haloSpan(dy, halo, own.rows, other.rows), haloSpan(dx, halo, own.columns, other.columns)];
      if (tiles[number]!.rate === tiles[index]!.rate) {
        copy(other, y, x);
      } else {
        const [theirs, ours] = [models.stepsOf(tiles[number]!.rate), models.stepsOf(tiles[index]!.rate)];
        copy(other, y, x, (channel) => Math.fround(theirs[channel]! / ours[channel]!));
      }
    }
    return out;
  }

  /**
   * Samples R, G, B of the part of a tile that lies in `area`, rounded; with `fusion` its seams are repaired, if the file
   * says so.
   */
  async rounded(index: number, area: Box, fusion: boolean): Promise<{ box: Box; rgb: Uint8Array }> {
    const box = intersection(this.file.grid.box(index), area)!;
    const { planes, box: from } = await this.tile(index);
    const [width, height] = [box.right - box.left, box.bottom - box.top];
    const levels = new Float32Array(3 * width * height);
    const [fullWidth, fullHeight] = [from.right - from.left, from.bottom - from.top];
    for (let channel = 0; channel < 3; channel++) {
      for (let row = 0; row < height; row++) {
        const start = (channel * fullHeight + box.top - from.top + row) * fullWidth + box.left - from.left;
        levels.set(planes.subarray(start, start + width), (channel * height + row) * width);
      }
    }
    if (fusion && this.file.header.fusion && this.kind(index) !== "drawn") await this.repair(levels, box);
    return { box, rgb: this.samplesFrom(levels, width * height) };
  }

  private async repair(levels: Float32Array, box: Box): Promise<void> {
    const [width, height] = [box.right - box.left, box.bottom - box.top];
    const blocks = seamBlocks(this.file.header, box);
    await this.prepare(blocks);
    for (const block of blocks) {
      const change = await this.change(block);
      const shared = intersection(block.box, box)!;
      if (!change) continue;
      const [blockWidth, blockHeight] = [block.box.right - block.box.left, block.box.bottom - block.box.top];
      for (let channel = 0; channel < 3; channel++) {
        for (let y = shared.top; y < shared.bottom; y++) {
          const source = (channel * blockHeight + y - block.box.top) * blockWidth - block.box.left;
          const target = (channel * height + y - box.top) * width - box.left;
          for (let x = shared.left; x < shared.right; x++) levels[target + x]! += change[source + x]!;
        }
      }
    }
  }

  /** What fusion adds to a block; nothing beside an absent tile, and where only drawn tiles meet. */
  private change(block: SeamBlock): Promise<Float32Array | undefined> {
    const key = `${block.horizontal ? "h" : "v"}${block.box.left},${block.box.top}`;
    return this.changes.get(key, async () => {
      const { grid, header } = this.file;
      const beside = grid.touching(block.box);
      for (const index of beside) if (!(await this.isThere(index))) return undefined;
      if (beside.every((index) => this.kind(index) === "drawn")) return undefined;
      const tiles = new Map<number, TilePixels>();
      for (const index of tilesRead(grid, block)) tiles.set(index, await this.tile(index));
      const read = [...tiles.values()];
      let last = read[0]!;
      const pixel = (channel: number, x: number, y: number): number => {
        const holds = ({ box }: TilePixels) => x >= box.left && x < box.right && y >= box.top && y < box.bottom;
        if (!holds(last)) last = read.find(holds)!;
        const { box, planes } = last;
        const width = box.right - box.left;
        return planes[(channel * (box.bottom - box.top) + y - box.top) * width + x - box.left]!;
      };
      const input = blockInput(block, grid.picture, header.rate / 255, pixel);
      const [along, across] = blockShape(block);
      const network = await this.models.fusion();
      const out = await network.run(
        [{ values: input, shape: [1, 5, along + 6, across + 6] }],
        [1, 3, along, across],
      );
      return correction(block, out, this.models.baseSteps[header.rate]!);
    });
  }

  /** Start nothing twice: the tiles that blocks read are computed one after the other. */
  private async prepare(blocks: readonly SeamBlock[]): Promise<void> {
    const wanted = new Set(blocks.flatMap((block) => tilesRead(this.file.grid, block)));
    for (const index of wanted) await this.tile(index);
  }

  private samplesFrom(levels: Float32Array, area: number): Uint8Array {
    const grey = this.file.header.channels === 1;
    const rgb = new Uint8Array(3 * area);
    const round = (level: number) => Math.floor(Math.min(Math.max(level, 0), 255) + 0.5);
    for (let i = 0; i < area; i++) {
      const [r, g, b] = [levels[i]!, levels[area + i]!, levels[2 * area + i]!];
      if (grey) {
        rgb.fill(round((r + g + b) / 3), 3 * i, 3 * i + 3);
      } else {
        rgb[3 * i] = round(r);
        rgb[3 * i + 1] = round(g);
        rgb[3 * i + 2] = round(b);
      }
    }
    return rgb;
  }
}

interface Span {
  from: number;
  to: number;
  count: number;
}

/** Where a neighbour's latents go along one axis, and which of them: those nearest to the tile. */
function haloSpan(step: -1 | 0 | 1, halo: number, own: number, other: number): Span {
  const count = Math.min(halo, other);
  if (step < 0) return { from: other - count, to: halo - count, count };
  if (step > 0) return { from: 0, to: halo + own, count };
  return { from: 0, to: halo, count: own };
}

function planesOf(samples: Uint8Array, area: number, channels: number): Float32Array {
  const planes = new Float32Array(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    const from = channels === 1 ? 0 : channel;
    for (let i = 0; i < area; i++) planes[channel * area + i] = samples[i * channels + from]!;
  }
  return planes;
}
