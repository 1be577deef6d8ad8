import { readAlpha } from "./alpha.js";
import { crc32, hex, u32At } from "./bytes.js";
import { Canvas } from "./canvas.js";
import { Container } from "./container.js";
import { TcxError, require } from "./errors.js";
import { type Box, type Grid, intersection } from "./grid.js";
import { type Info, type Region, describe } from "./info.js";
import type { ModelSet } from "./model_set.js";
import type { ModelStore } from "./models.js";
import type { Part } from "./parts.js";
import { previewOf } from "./preview.js";
import { Renderer } from "./renderer.js";

/** Samples R, G, B, A, 8 bits each, rows from the top. */
export interface Picture {
  data: Uint8ClampedArray;
  width: number;
  height: number;
}

/** A part of a tile that has become ready: the whole tile, or as much of it as is synthesised at once. */
export interface TileEvent extends Region {
  /** Number of the tile in the grid. */
  index: number;
  /** The part's samples at full size, R, G, B, A; at `x`, `y` of the whole picture. */
  picture: Picture;
  /** False for a first look, before the seams to its neighbours are repaired. */
  final: boolean;
}

export interface DecodeOptions {
  /** Part of the picture; "crop" is the region of interest that the file names; by default the whole picture. */
  region?: Region | "crop" | undefined;
  /**
   * 1, 1/2, 1/4 ... 1/256: the size of the result relative to the picture. At 1/4 and below seams are not repaired, as
   * nothing of it could be seen.
   */
  scale?: number | undefined;
  /**
   * "file": the samples as they are in the file, which is the default. "srgb": converted for the screen, if the file has an
   * ICC profile of curves and a matrix; see `info.colours`.
   */
  colours?: "file" | "srgb" | undefined;
  /**
   * Called for each part of a tile when it is ready. Tiles of 512 pixels come in parts of 256, from the top left; others in
   * one. A region gets the parts that it touches, cut off at its edges.
   */
  onTile?: ((event: TileEvent) => void) | undefined;
  /** Ends the work between two parts. */
  signal?: AbortSignal | undefined;
}

const SMALLEST_SCALE = 1 / 256;
const FUSION_SCALE = 1 / 2;

/** An open file, which keeps what it has decoded for the next region. */
export class TcxFile {
  readonly info: Info;
  private readonly container: Container;
  private renderer: Renderer | undefined;
  private alpha: Promise<Uint8Array | undefined> | undefined;

  /**
   * @param bytes the file.
   * @param models where its model set is found.
   * @param options salvage: show what is sound of a damaged file.
   * @throws TcxError if the file is not sound.
   */
  constructor(
    bytes: Uint8Array,
    private readonly models: ModelStore,
    options: { salvage?: boolean | undefined } = {},
  ) {
    this.container = new Container(bytes, options.salvage ?? false);
    this.info = describe(this.container);
  }

  /** Sentences about everything that salvage left out so far. */
  get problems(): string[] {
    return [...this.info.problems, ...(this.renderer?.damaged.values() ?? [])];
  }

  /** Numbers of the tiles that decoding has found damaged so far; only with salvage. */
  get damaged(): number[] {
    return [...(this.renderer?.damaged.keys() ?? [])];
  }

  /** The symbols of each tile that is not absent, as they are serialised for checksums, one tile after the other. */
  async *symbols(): AsyncGenerator<Uint8Array> {
    const renderer = await this.prepared();
    for (const [index, { texture }] of this.info.tiles.entries()) {
      if (texture === "absent") continue;
      if (texture === "drawn") {
        const samples = await renderer.samplesOf(index);
        if (samples) yield samples;
        continue;
      }
      const symbols = await renderer.symbolsOf(index);
      if (!symbols) continue;
      yield new Uint8Array(symbols.hyper.buffer);
      yield new Uint8Array(symbols.latents.buffer);
    }
  }

  /** Decode the picture or a part of it. */
  async decode(options: DecodeOptions = {}): Promise<Picture> {
    const { scale = 1, colours = "file", onTile, signal } = options;
    const convert = colours === "srgb" ? this.container.profile?.convert : undefined;
    const box = this.regionOf(options.region);
    const known = Number.isInteger(Math.log2(scale)) && scale <= 1 && scale >= SMALLEST_SCALE;
    require(known, "argument", "A scale is 1, 1/2, 1/4 and so on down to 1/256.");
    const renderer = await this.prepared();
    const alpha = await this.alphaPlane();
    const canvas = new Canvas(box, Math.round(1 / scale));
    const fusion = scale >= FUSION_SCALE && this.container.header.fusion;
    const show = async (part: Part, repaired: boolean, final: boolean) => {
      const rounded = await renderer.rounded(part, box, repaired);
      const picture = this.withAlpha(rounded, alpha);
      if (final) canvas.put(rounded.box, picture.data);
      if (onTile) convert?.(picture.data);
      onTile?.({
        index: part.index, x: rounded.box.left, y: rounded.box.top, width: picture.width, height: picture.height, picture, final,
      });
      if (signal?.aborted) throw signal.reason;
    };
    for (const index of inBands(this.container.grid, box, renderer.band)) {
      const parts = renderer.partsOf(index, box);
      if (fusion && onTile && this.info.tiles[index]!.texture !== "drawn") {
        for (const part of parts) await show(part, false, false); // before seams make the neighbours be decoded
      }
      for (const part of parts) await show(part, fusion, true);
    }
    const picture = canvas.finish();
    if (this.isWhole(box)) this.checkData(renderer);
    if (scale === 1) this.checkPixels(box, picture, renderer);
    convert?.(picture.data);
    return picture;
  }

  /**
   * A picture of one pixel for each square of 16 x 16 pixels. In files of entropy profile 2 it needs a small part of the
   * bytes and no synthesis; others are decoded whole.
   */
  async preview({ colours }: Pick<DecodeOptions, "colours"> = {}): Promise<Picture> {
    const renderer = await this.prepared();
    const picture = await previewOf(this.container, renderer, await this.alphaPlane());
    this.checkData(renderer);
    if (colours === "srgb") this.container.profile?.convert?.(picture.data);
    return picture;
  }

  private isWhole({ left, top, right, bottom }: Box): boolean {
    return right - left === this.info.width && bottom - top === this.info.height;
  }

  /** Hold the bytes of all tiles against their checksum, where each tile has passed its own. */
  private checkData({ damaged }: Renderer): void {
    if (this.container.dataIsSound) return;
    const problem = "The tiles do not match the checksum that the file has of them all.";
    if (!this.container.salvage) throw new TcxError("corrupt", problem);
    if (damaged.size === 0 && !this.info.problems.includes(problem)) this.info.problems.push(problem);
  }

  private regionOf(region: DecodeOptions["region"]): Box {
    const { picture } = this.container.grid;
    if (region === "crop") region = this.info.crop;
    if (!region) return picture;
    const sizes = [region.x, region.y, region.width, region.height];
    const box = { left: region.x, top: region.y, right: region.x + region.width, bottom: region.y + region.height };
    const inside = intersection(box, picture);
    const fits = sizes.every(Number.isInteger) && inside && Object.keys(box).every((side) => {
      return box[side as keyof Box] === inside[side as keyof Box];
    });
    require(fits === true, "argument", `The region does not lie within the picture of ${picture.right} x ${picture.bottom}.`);
    return box;
  }

  private async prepared(): Promise<Renderer> {
    const { header } = this.container;
    require(!header.noPixels, "argument", "The file has no pixels: it holds features only.");
    this.renderer ??= new Renderer(this.container, header.profile === 0 ? undefined : await this.modelSet());
    return this.renderer;
  }

  private async modelSet(): Promise<ModelSet> {
    const { header } = this.container;
    const models = await this.models.get(hex(header.identity));
    const { manifest } = models;
    const agreed =
      header.stride === 16 && header.halo === manifest.halo && header.classes === manifest.classes.length &&
      header.profile === manifest.entropy_profile && (manifest.fusion || !header.fusion);
    require(agreed, "corrupt", "The header contradicts the model set that it names.");
    require(header.rate <= 255, "corrupt", "The rate index of the file is beyond the step table of its model set.");
    return models;
  }

  private alphaPlane(): Promise<Uint8Array | undefined> {
    this.alpha ??= this.readAlpha();
    return this.alpha;
  }

  private async readAlpha(): Promise<Uint8Array | undefined> {
    const { alpha, header, salvage } = this.container;
    if (!alpha) return undefined;
    try {
      return await readAlpha(alpha, header.width, header.height);
    } catch (error) {
      if (!salvage || !(error instanceof TcxError)) throw error;
      this.info.problems.push(error.message);
      return undefined;
    }
  }

  private withAlpha({ box, rgb }: { box: Box; rgb: Uint8Array }, alpha: Uint8Array | undefined): Picture {
    const [width, height] = [box.right - box.left, box.bottom - box.top];
    const data = new Uint8ClampedArray(4 * width * height);
    for (let y = 0, i = 0; y < height; y++) {
      const row = (box.top + y) * this.info.width + box.left;
      for (let x = 0; x < width; x++, i++) {
        data[4 * i] = rgb[3 * i]!;
        data[4 * i + 1] = rgb[3 * i + 1]!;
        data[4 * i + 2] = rgb[3 * i + 2]!;
        data[4 * i + 3] = alpha ? alpha[row + x]! : 255;
      }
    }
    return { data, width, height };
  }

  /** Nothing is computed in a file without a model set, so its whole picture must match the checksum it has. */
  private checkPixels(box: Box, { data, width, height }: Picture, renderer: Renderer): void {
    const { chunks, header, salvage } = this.container;
    const sum = chunks.get("psum");
    if (header.profile !== 0 || !this.isWhole(box) || sum?.length !== 5 || sum[0] !== 1) return;
    const samples = new Uint8Array(width * header.channels);
    let crc = 0;
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        for (let channel = 0; channel < header.channels; channel++) {
          samples[x * header.channels + channel] = data[4 * (y * width + x) + channel]!;
        }
      }
      crc = crc32(samples, crc);
    }
    if (crc === u32At(sum, 1)) return;
    if (!salvage) throw new TcxError("corrupt", "The pixels do not match the checksum that the file has of them.");
    if (renderer.damaged.size === 0) this.info.problems.push("The pixels do not match the file's checksum of them.");
  }
}

/**
 * Tiles that share a pixel with `box`, in bands of `columns` of them, each from the top to the bottom, so that neighbours are
 * decoded soon after each other.
 */
function inBands(grid: Grid, box: Box, columns: number): number[] {
  const band = (index: number) => Math.floor((index % grid.columns) / columns);
  return grid.touching(box).sort((a, b) => band(a) - band(b) || a - b);
}
