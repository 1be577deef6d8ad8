import { bytesOf, crc32 } from "./bytes.js";
import { TcxError, require } from "./errors.js";
import type { ModelSet } from "./model_set.js";
import { RansReader } from "./rans.js";
import type { TileEntry } from "./tiles.js";

const MEAN_LIMIT = 1 << 18;
const HYPER_SUPPORT = 31;

/** Symbols of a tile, of C channels on h rows and w columns of latents. */
export interface TileSymbols {
  rows: number;
  columns: number;
  /** Z x ceil(h / 4) x ceil(w / 4). */
  hyper: Int8Array;
  /** C x h x w. */
  latents: Int16Array;
  /** u / 16 for each latent, in symbols: exact in float32. */
  values: Float32Array;
}

/** Decode the symbols of a tile and check them (docs/format.md, "Order of symbols" to "Context features"). */
export async function decodeSymbols(
  models: ModelSet,
  tile: TileEntry,
  payload: Uint8Array,
  rows: number,
  columns: number,
  index: number,
): Promise<TileSymbols> {
  require(tile.rate <= 255, "corrupt", `The rate index of tile ${index} is beyond the step table.`);
  try {
    const symbols = await new TileDecoder(models, tile, payload, rows, columns).decode();
    const checksum = crc32(bytesOf(symbols.latents), crc32(bytesOf(symbols.hyper))) & 0xffff;
    require(checksum === tile.symbolChecksum, "corrupt", "its symbols do not match their checksum.");
    return symbols;
  } catch (error) {
    if (!(error instanceof TcxError) || error.kind !== "corrupt") throw error;
    throw new TcxError("corrupt", `Tile ${index} cannot be decoded: ${error.message}`, index);
  }
}

class TileDecoder {
  private readonly stream: RansReader;
  private readonly area: number;
  private readonly latents: Int16Array;
  private readonly u: Float32Array;
  private features: Float32Array = new Float32Array(0);
  private featureCount = 0;
  private readonly context: Float32Array[] = [];

  constructor(
    private readonly models: ModelSet,
    private readonly tile: TileEntry,
    payload: Uint8Array,
    private readonly rows: number,
    private readonly columns: number,
  ) {
    this.stream = new RansReader(payload);
    this.area = rows * columns;
    this.latents = new Int16Array(models.channels * this.area);
    this.u = new Float32Array(models.channels * this.area);
  }

  async decode(): Promise<TileSymbols> {
    const { slices } = this.models.manifest;
    const hyper = this.hyperLatents();
    await this.hyperSynthesis(hyper);
    const first = slices[0]!;
    const inFirst = first * this.area;
    await this.step(0, 0, first, (row, column) => (row + column) % 2 === 0);
    this.context.push(this.contextFeatures(0, first, true));
    await this.step(1, 0, first, (row, column) => (row + column) % 2 === 1);
    this.context[0] = this.contextFeatures(0, first, true);
    let begin = inFirst;
    for (let slice = 1; slice < slices.length; slice++) {
      await this.step(slice + 1, begin, slices[slice]!);
      this.context.push(this.contextFeatures(begin, slices[slice]!, false));
      begin += slices[slice]! * this.area;
    }
    this.stream.finish();
    const values = this.u;
    for (let i = 0; i < values.length; i++) values[i]! /= 16;
    return { rows: this.rows, columns: this.columns, hyper, latents: this.latents, values };
  }

  private hyperLatents(): Int8Array {
    const { hyper, hyperBands, manifest } = this.models;
    const area = Math.ceil(this.rows / 4) * Math.ceil(this.columns / 4);
    const band = Math.floor((this.tile.rate * hyperBands) / 256);
    const out = new Int8Array(manifest.hyper_channels * area);
    for (let channel = 0; channel < manifest.hyper_channels; channel++) {
      const table = band * manifest.hyper_channels + channel;
      const begin = hyper.offsets[table]!;
      const end = hyper.offsets[table + 1]! - 1;
      for (let i = 0; i < area; i++) {
        out[channel * area + i] = this.stream.symbol(hyper.starts, begin, end) - HYPER_SUPPORT;
      }
    }
    return out;
  }

  private async hyperSynthesis(hyper: Int8Array): Promise<void> {
    const { models, rows, columns } = this;
    const [h, w] = [Math.ceil(rows / 4), Math.ceil(columns / 4)];
    const [z, classes] = [models.manifest.hyper_channels, models.manifest.classes.length];
    const input = new Float32Array((z + 1 + classes) * h * w);
    for (let i = 0; i < hyper.length; i++) input[i] = 4 * hyper[i]!;
    input.fill(this.tile.rate, z * h * w, (z + 1) * h * w);
    input.fill(32, (z + 1 + this.tile.texture) * h * w, (z + 2 + this.tile.texture) * h * w);
    const network = await models.entropy("hyper_synthesis");
    this.featureCount = models.features;
    const tensor = { values: input, shape: [1, z + 1 + classes, h, w] };
    const out = await network.run([tensor], [1, this.featureCount, 4 * h, 4 * w]);
    this.features = new Float32Array(this.featureCount * this.area);
    for (let channel = 0; channel < this.featureCount; channel++) {
      for (let y = 0; y < rows; y++) {
        const from = (channel * 4 * h + y) * 4 * w;
        this.features.set(out.subarray(from, from + columns), channel * this.area + y * columns);
      }
    }
  }

  /** Decode the positions of one context step: of `channels` channels from `begin` on, those that `coded` names. */
  private async step(
    step: number,
    begin: number,
    channels: number,
    coded?: (row: number, column: number) => boolean,
  ): Promise<void> {
    const { area, rows, columns } = this;
    const inputs = [{ values: this.features, shape: [1, this.featureCount, rows, columns] }];
    if (step > 0) {
      const values = concatenated(this.context);
      inputs.push({ values, shape: [1, values.length / area, rows, columns] });
    }
    const network = await this.models.entropy(`context_${step}`);
    const out = await network.run(inputs, [1, 2 * channels, rows, columns]);
    const size = channels * area;
    // positions sorted by scale index, those of one index in their order
    const ends = new Uint32Array(65);
    const scales = new Uint8Array(size);
    for (let i = 0; i < size; i++) {
      const place = i % area;
      if (coded && !coded(Math.floor(place / columns), place % columns)) continue;
      const scale = Math.min(Math.max(out[size + i]!, 0), 63);
      scales[i] = scale;
      if (scale > 0) ends[scale]!++;
      this.u[begin + i] = Math.min(Math.max(out[i]!, -MEAN_LIMIT), MEAN_LIMIT);
    }
    for (let scale = 1; scale < 65; scale++) ends[scale]! += ends[scale - 1]!;
    const order = new Uint32Array(ends[63]!);
    const next = ends.slice(0, 64);
    for (let i = 0; i < size; i++) if (scales[i]! > 0) order[next[scales[i]! - 1]!++] = begin + i;
    for (let scale = 1; scale < 64; scale++) this.decodeScale(scale, order.subarray(ends[scale - 1], ends[scale]));
  }

  private decodeScale(scale: number, places: Uint32Array): void {
    const { symbols, support } = this.models;
    const largest = support[scale]!;
    const [from, to] = [symbols.offsets[scale]!, symbols.offsets[scale + 1]! - 1];
    const escapes: number[] = [];
    for (let i = 0; i < places.length; i++) {
      const symbol = this.stream.symbol(symbols.starts, from, to) - largest;
      if (symbol > largest) escapes.push(places[i]!);
      else this.take(places[i]!, symbol);
    }
    for (const place of escapes) {
      const symbol = this.stream.escape() - 32768;
      require(symbol > -32768, "corrupt", "a symbol is out of range.");
      this.take(place, symbol);
    }
  }

  private take(place: number, symbol: number): void {
    this.latents[place] = symbol;
    this.u[place]! += 16 * symbol;
  }

  /** sign(u) * g and g for each channel, for the first slice also floor(u / 4) within +-255. */
  private contextFeatures(begin: number, channels: number, first: boolean): Float32Array {
    const { magnitudes } = this.models;
    const size = channels * this.area;
    const out = new Float32Array((first ? 3 : 2) * size);
    const last = magnitudes.length - 1;
    for (let i = 0; i < size; i++) {
      const u = this.u[begin + i]!;
      const g = magnitudes[Math.min(Math.abs(u), last)]!;
      out[i] = Math.sign(u) * g;
      out[size + i] = g;
      if (first) out[2 * size + i] = Math.min(Math.max(Math.floor(u / 4), -255), 255);
    }
    return out;
  }
}

function concatenated(parts: Float32Array[]): Float32Array {
  if (parts.length === 1) return parts[0]!;
  const out = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    out.set(part, position);
    position += part.length;
  }
  return out;
}
