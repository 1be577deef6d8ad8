import { require } from "./errors.js";
import type { ModelSet } from "./model_set.js";
import { RansReader } from "./rans.js";

const MEAN_LIMIT = 1 << 18;
const HYPER_SUPPORT = 31;

/**
 * What the two entropy profiles share of decoding a tile (docs/format.md, "Order of symbols" to "Context features"):
 * hyper latents, the features that they give, and steps, each of which codes latents by means and scale indices.
 */
export class LatentDecoder {
  readonly stream: RansReader;
  readonly area: number;
  /** Symbols, C x h x w. */
  readonly latents: Int16Array;
  /** Decoded latents in sixteenths of a symbol, C x h x w; 0 where nothing is decoded yet. */
  readonly u: Float32Array;
  /** What hyper synthesis gives, one plane of h x w for each of `models.features` channels. */
  features: Float32Array = new Float32Array(0);
  private readonly context: Float32Array[] = [];

  /**
   * @param rate rate index of the tile.
   * @param texture its class.
   * @param rows and `columns`, of its latents.
   */
  constructor(
    readonly models: ModelSet,
    private readonly rate: number,
    private readonly texture: number,
    payload: Uint8Array,
    readonly rows: number,
    readonly columns: number,
  ) {
    this.stream = new RansReader(payload);
    this.area = rows * columns;
    this.latents = new Int16Array(models.channels * this.area);
    this.u = new Float32Array(models.channels * this.area);
  }

  /** Hyper latents, Z x ceil(h / 4) x ceil(w / 4). */
  hyperLatents(): Int8Array {
    const { hyper, hyperBands, manifest } = this.models;
    const area = Math.ceil(this.rows / 4) * Math.ceil(this.columns / 4);
    const band = Math.floor((this.rate * hyperBands) / 256);
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

  /** Fill `features`. */
  async hyperSynthesis(hyper: Int8Array): Promise<void> {
    const { models, rows, columns } = this;
    const [h, w] = [Math.ceil(rows / 4), Math.ceil(columns / 4)];
    const [z, classes] = [models.manifest.hyper_channels, models.manifest.classes.length];
    const input = new Float32Array((z + 1 + classes) * h * w);
    for (let i = 0; i < hyper.length; i++) input[i] = 4 * hyper[i]!;
    input.fill(this.rate, z * h * w, (z + 1) * h * w);
    input.fill(32, (z + 1 + this.texture) * h * w, (z + 2 + this.texture) * h * w);
    const network = await models.entropy("hyper_synthesis");
    const tensor = { values: input, shape: [1, z + 1 + classes, h, w] };
    const out = await network.run([tensor], [1, models.features, 4 * h, 4 * w]);
    this.features = new Float32Array(models.features * this.area);
    for (let channel = 0; channel < models.features; channel++) {
      for (let y = 0; y < rows; y++) {
        const from = (channel * 4 * h + y) * 4 * w;
        this.features.set(out.subarray(from, from + columns), channel * this.area + y * columns);
      }
    }
  }

  /**
   * What a context network says of `channels` channels at all positions: their means, then their scale indices.
   *
   * @param withContext whether it reads what `addContext` was given, beside the features.
   */
  async contextNetwork(name: string, channels: number, withContext: boolean): Promise<Float32Array> {
    const { area, rows, columns, models } = this;
    const inputs = [{ values: this.features, shape: [1, models.features, rows, columns] }];
    if (withContext) {
      const values = concatenated(this.context);
      inputs.push({ values, shape: [1, values.length / area, rows, columns] });
    }
    return (await models.entropy(name)).run(inputs, [1, 2 * channels, rows, columns]);
  }

  /** Let following context networks read the latents of the channels from `begin` on; again if they have changed. */
  setContext(slice: number, begin: number, channels: number): void {
    const u = this.u.subarray(begin, begin + channels * this.area);
    this.context[slice] = contextFeatures(u, this.models.magnitudes, slice === 0);
  }

  /** The slices behind the first one, one step each: `last` is the number of the first that is left out. */
  async furtherSlices(last: number, networkOf: (slice: number) => string): Promise<void> {
    const { slices } = this.models.manifest;
    let begin = slices[0]! * this.area;
    for (let slice = 1; slice < last; slice++) {
      const channels = slices[slice]!;
      const size = channels * this.area;
      const out = await this.contextNetwork(networkOf(slice), channels, true);
      const places = Uint32Array.from({ length: size }, (_, i) => begin + i);
      this.step(places, out.subarray(0, size), out.subarray(size));
      if (slice + 1 < last) this.setContext(slice, begin, channels);
      begin += size;
    }
  }

  /** Decode latents: entry i of the list is latent `places[i]` with its mean and its scale index, before they are clamped. */
  step(places: Uint32Array, means: ArrayLike<number>, scales: ArrayLike<number>): void {
    const size = places.length;
    // sorted by scale index, those of one index in their order
    const ends = new Uint32Array(65);
    const rows = new Uint8Array(size);
    for (let i = 0; i < size; i++) {
      const scale = Math.min(Math.max(scales[i]!, 0), 63);
      rows[i] = scale;
      if (scale > 0) ends[scale]!++;
      this.u[places[i]!] = Math.min(Math.max(means[i]!, -MEAN_LIMIT), MEAN_LIMIT);
    }
    for (let scale = 1; scale < 65; scale++) ends[scale]! += ends[scale - 1]!;
    const order = new Uint32Array(ends[63]!);
    const next = ends.slice(0, 64);
    for (let i = 0; i < size; i++) if (rows[i]! > 0) order[next[rows[i]! - 1]!++] = places[i]!;
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
}

/**
 * sign(u) * g and g for each of `u`, with g from the table of magnitudes; with `linear`, that of a first slice, also
 * floor(u / 4) within +-255. There may be room for `more` values behind.
 */
export function contextFeatures(u: ArrayLike<number>, magnitudes: Uint8Array, linear: boolean, more = 0): Float32Array {
  const size = u.length;
  const out = new Float32Array((linear ? 3 : 2) * size + more);
  const last = magnitudes.length - 1;
  for (let i = 0; i < size; i++) {
    const value = u[i]!;
    const g = magnitudes[Math.min(Math.abs(value), last)]!;
    out[i] = Math.sign(value) * g;
    out[size + i] = g;
    if (linear) out[2 * size + i] = Math.min(Math.max(Math.floor(value / 4), -255), 255);
  }
  return out;
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
