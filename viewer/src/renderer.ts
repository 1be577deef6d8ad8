import { Cache } from "./cache.js";
import type { Container } from "./container.js";
import { decodeDrawn } from "./drawn.js";
import { TcxError } from "./errors.js";
import { type Box, intersection } from "./grid.js";
import type { ModelSet } from "./model_set.js";
import { type Part, cut, latentWindow } from "./parts.js";
import type { Tensor } from "./runtime.js";
import { type SeamBlock, blockInput, blockShape, correction, pixelsRead, seamBlocks } from "./seams.js";
import { type Coded, type TileSymbols, decodeMeans, decodeSymbols } from "./symbols.js";
import { ABSENT, DRAWN } from "./tiles.js";

/** Columns are rendered in bands of at most so many pixels and tiles, so that a band's three rows of tiles can be kept. */
const BAND_PIXELS = 3072;
const BAND_TILES = 12;
/** Parts that are kept: a band's two rows within a tile, and one above and one below that its seams read. */
const KEPT_PARTS = 4 * (BAND_TILES + 4);
const KEPT_BLOCKS = 8 * KEPT_PARTS;
const NEUTRAL = 128;
const LARGEST_LEVEL = 1e6;

/** A part before seams are repaired: 3 planes of levels from 0 to 255, neither rounded nor clamped. */
interface PartPixels {
  box: Box;
  planes: Float32Array;
}

/**
 * Pixels of a file, part by part of its tiles (docs/format.md, "Networks", "Fusion", "Pixels").
 *
 * Every part and every block beside a seam is computed alone, so any region comes out as in the whole picture.
 */
export class Renderer {
  /** Sentences about tiles that salvage leaves grey, by their number. */
  readonly damaged = new Map<number, string>();
  /** Columns of tiles that are rendered together, from the top to the bottom. */
  readonly band: number;
  private readonly samples: Cache<Promise<Uint8Array | undefined>>;
  private readonly symbols: Cache<Promise<TileSymbols | undefined>>;
  private readonly pixels = new Cache<Promise<PartPixels>>(KEPT_PARTS);
  private readonly changes = new Cache<Promise<Float32Array | undefined>>(KEPT_BLOCKS);

  constructor(
    private readonly file: Container,
    private readonly given: ModelSet | undefined,
  ) {
    this.band = Math.min(Math.ceil(BAND_PIXELS / file.header.tile), BAND_TILES);
    const kept = 3 * (this.band + 3);
    this.samples = new Cache(kept);
    this.symbols = new Cache(kept);
  }

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

  /** The parts of the picture that share a pixel with `area`, tile by tile. */
  parts(area: Box): Part[] {
    return this.file.grid.touching(area).flatMap((index) => this.partsOf(index, area));
  }

  /** The parts of a tile that share a pixel with `area`, from the top left. */
  partsOf(index: number, area: Box): Part[] {
    const { grid } = this.file;
    const box = grid.box(index);
    const boxes = this.kind(index) === "coded" ? cut(box, grid.latentBox(index)) : [box];
    return boxes.filter((part) => intersection(part, area)).map((part) => ({ index, box: part }));
  }

  /** A part as synthesis leaves it, before its seams are repaired. */
  private part({ index, box }: Part): Promise<PartPixels> {
    return this.pixels.get(`${box.left},${box.top}`, async () => {
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
    const covered = grid.latentBox(index);
    const window = latentWindow(box, covered, models.reach(texture), header.halo);
    const [h, w] = [window.bottom - window.top, window.right - window.left];
    const latents = await this.latentsIn(index, window);
    const bias = models.rateBias(texture, rate);
    const network = await models.synthesis(texture);
    const borders = header.profile === 2 ? await this.lappedBorders(index, window) : [];
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
    const [x, y] = [box.left - covered.left - 16 * window.left, box.top - covered.top - 16 * window.top];
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
   * Which borders between the latents of a window the lapped transform reaches across, first those between columns, then
   * those between rows: 1 for each that it does. Only a tile's own borders, between it and its halo of 1, may be others
   * (docs/format.md, "Lapped transform").
   */
  private async lappedBorders(index: number, window: Box): Promise<Tensor[]> {
    const [rows, columns] = this.file.grid.latentShape(index);
    const around = this.file.grid.around(index);
    const isBeside = async (dy: number, dx: number) => {
      const found = around.find((neighbour) => neighbour.dy === dy && neighbour.dx === dx);
      return found !== undefined && this.kind(found.index) === "coded" && (await this.symbolsOf(found.index)) !== undefined;
    };
    const inner = (count: number): Tensor => ({ values: new Float32Array(count).fill(1), shape: [count, 1] });
    const between = [inner(window.right - window.left - 1), inner(window.bottom - window.top - 1)] as const;
    const [{ values: x }, { values: y }] = between;
    // what is beside the tile is asked for only where the window reaches it: it has to be decoded for this
    if (window.left < 0 && !(await isBeside(0, -1))) x[0] = 0;
    if (window.right > columns && !(await isBeside(0, 1))) x[x.length - 1] = 0;
    if (window.top < 0 && !(await isBeside(-1, 0))) y[0] = 0;
    if (window.bottom > rows && !(await isBeside(1, 0))) y[y.length - 1] = 0;
    return [...between];
  }

  /**
   * Latents of a tile and of its halo in a window, C x h x w; zeros where there are none. Neighbours that the window does not
   * reach are not decoded.
   */
  private async latentsIn(index: number, window: Box): Promise<Float32Array> {
    const { grid, tiles } = this.file;
    const { models } = this;
    const [h, w] = [window.bottom - window.top, window.right - window.left];
    const [ownRows, ownColumns] = grid.latentShape(index);
    const out = new Float32Array(models.channels * h * w);
    for (const { index: number, dy, dx } of [{ index, dy: 0, dx: 0 }, ...grid.around(index)]) {
      const [rows, columns] = grid.latentShape(number);
      const top = dy < 0 ? -rows : dy * ownRows;
      const left = dx < 0 ? -columns : dx * ownColumns;
      const shared = intersection({ left, top, right: left + columns, bottom: top + rows }, window);
      const from = shared && this.kind(number) === "coded" ? await this.symbolsOf(number) : undefined;
      if (!shared || !from) continue;
      const sameRate = tiles[number]!.rate === tiles[index]!.rate;
      const [theirs, ours] = [models.stepsOf(tiles[number]!.rate), models.stepsOf(tiles[index]!.rate)];
      for (let channel = 0; channel < models.channels; channel++) {
        const factor = sameRate ? 1 : Math.fround(theirs[channel]! / ours[channel]!);
        for (let row = shared.top; row < shared.bottom; row++) {
          const source = (channel * rows + row - top) * columns - left;
          const target = (channel * h + row - window.top) * w - window.left;
          for (let i = shared.left; i < shared.right; i++) out[target + i] = from.values[source + i]! * factor;
        }
      }
    }
    return out;
  }

  /**
   * Samples R, G, B of what lies in `area` of a part, rounded; with `fusion` its seams are repaired, if the file says so.
   */
  async rounded(part: Part, area: Box, fusion: boolean): Promise<{ box: Box; rgb: Uint8Array }> {
    const box = intersection(part.box, area)!;
    const { planes, box: from } = await this.part(part);
    const [width, height] = [box.right - box.left, box.bottom - box.top];
    const levels = new Float32Array(3 * width * height);
    const [fullWidth, fullHeight] = [from.right - from.left, from.bottom - from.top];
    for (let channel = 0; channel < 3; channel++) {
      for (let row = 0; row < height; row++) {
        const start = (channel * fullHeight + box.top - from.top + row) * fullWidth + box.left - from.left;
        levels.set(planes.subarray(start, start + width), (channel * height + row) * width);
      }
    }
    if (fusion && this.file.header.fusion && this.kind(part.index) !== "drawn") await this.repair(levels, box);
    return { box, rgb: this.samplesFrom(levels, width * height) };
  }

  private async repair(levels: Float32Array, box: Box): Promise<void> {
    const [width, height] = [box.right - box.left, box.bottom - box.top];
    const blocks = seamBlocks(this.file.header, box);
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
      const read: PartPixels[] = [];
      for (const part of this.parts(pixelsRead(block))) read.push(await this.part(part));
      let last = read[0]!;
      const pixel = (channel: number, x: number, y: number): number => {
        const holds = ({ box }: PartPixels) => x >= box.left && x < box.right && y >= box.top && y < box.bottom;
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

function planesOf(samples: Uint8Array, area: number, channels: number): Float32Array {
  const planes = new Float32Array(3 * area);
  for (let channel = 0; channel < 3; channel++) {
    const from = channels === 1 ? 0 : channel;
    for (let i = 0; i < area; i++) planes[channel * area + i] = samples[i * channels + from]!;
  }
  return planes;
}
