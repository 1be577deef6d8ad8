import { require } from "./errors.js";
import { type Weights, withWeights } from "./onnx.js";
import type { Manifest, ModelPack, StoredArray } from "./pack.js";
import { synthesisReach } from "./parts.js";
import { Network } from "./runtime.js";

const TOTAL = 1 << 24;
const LARGEST_INPUT = 255;
const PROFILES = [1, 2];
/** Passes over the first slice that have a linear prediction, and what a prediction reads at most. */
const PREDICTED = [1, 2, 3, 4];
const LARGEST_PLANE = 2 ** 22;
const MEANS = 3;
const INTEGER_LAYER = /^((hyper_synthesis|context_\d+|first_\d|gains)\..*)\.weight$/;

/** Probability tables one after the other: cumulative frequencies, one more than each table has entries. */
export interface Tables {
  starts: Uint32Array;
  /** Where each table begins in `starts`; the last entry is its end. */
  offsets: Uint32Array;
}

/** The decoder's half of a model set, checked (docs/format.md, "Model sets", "Probability tables"). */
export class ModelSet {
  readonly identity: string;
  readonly manifest: Manifest;
  readonly channels: number;
  readonly hyperBands: number;
  readonly hyper: Tables;
  readonly symbols: Tables;
  readonly support: Uint16Array;
  readonly magnitudes: Uint8Array;
  /** Channels of what hyper synthesis gives. */
  readonly features: number;
  /** Grey levels of a latent of 1, row by rate index, `channels` each. */
  readonly steps: Float32Array;
  readonly baseSteps: Float32Array;
  /** Gains, and which of the two that a position has each channel takes (0: none); only in sets that have them. */
  readonly gains: { values: Float32Array; planes: Uint8Array } | undefined;
  private readonly slices: { tables: Tables; bands: number } | undefined;
  private readonly predictions = new Map<number, Float64Array>();
  private readonly networks = new Map<string, Promise<Network>>();

  constructor(private readonly pack: ModelPack) {
    const { manifest } = pack;
    this.identity = pack.identity;
    this.manifest = manifest;
    const { entropy_profile: profile, name } = manifest;
    require(PROFILES.includes(profile), "unsupported", `The model set ${name} needs a newer decoder.`);
    this.channels = manifest.slices.reduce((sum, slice) => sum + slice, 0);
    const steps = this.array("tables.steps", "uint16", [256, this.channels]).values as Uint16Array;
    this.steps = Float32Array.from(steps, (step) => step / 32);
    this.baseSteps = this.array("tables.base_steps", "float32", [256]).values as Float32Array;
    this.support = this.array("tables.support", "uint16", [64]).values as Uint16Array;
    this.magnitudes = this.array("tables.magnitudes", "uint8").values as Uint8Array;
    this.features = this.array("hyper_synthesis.leave.weight").shape[0]!;
    this.symbols = tablesOf(
      this.array("tables.symbols", "uint32").values as Uint32Array,
      Array.from(this.support, (largest) => 2 * largest + 2),
    );
    const hyper = this.array("tables.hyper", "uint32");
    const fits = hyper.shape.length === 3 && hyper.shape[1] === manifest.hyper_channels && hyper.shape[2] === 63;
    require(fits, "model", "The model set is not sound: the shape of tables.hyper.");
    this.hyperBands = hyper.shape[0]!;
    this.hyper = tablesOf(hyper.values as Uint32Array, Array<number>(this.hyperBands * manifest.hyper_channels).fill(63));
    for (const array of pack.arrays.keys()) {
      const layer = INTEGER_LAYER.exec(array)?.[1];
      if (layer !== undefined) this.checkBound(layer);
    }
    if (profile === 1) return;
    const frequencies = this.array("tables.slices", "uint32");
    const [bands = 0, size] = [frequencies.shape[0], 2 * manifest.slices.length + 1];
    require(frequencies.shape[1] === size, "model", "The model set is not sound: the shape of tables.slices.");
    this.slices = { tables: tablesOf(frequencies.values as Uint32Array, Array<number>(bands).fill(size)), bands };
    for (const pass of PREDICTED) this.predictions.set(pass, this.checkedPrediction(pass));
    if (manifest.gains) {
      this.gains = {
        values: this.array("tables.gains", "float32", [64]).values as Float32Array,
        planes: this.array("tables.gain_planes", "uint8", [this.channels]).values as Uint8Array,
      };
      require(this.gains.values.every((gain) => gain > 0), "model", "A gain of the model set is not above 0.");
    }
  }

  /** Tables of the number of coded slices, and in how many bands of rate indices; of entropy profile 2. */
  get sliceTables(): { tables: Tables; bands: number } {
    require(this.slices !== undefined, "model", "The model set has no tables of slices.");
    return this.slices;
  }

  /** Weights of the linear prediction of a pass, c x (c + 3) x 3 x 3 integers in 2^-12; of entropy profile 2. */
  prediction(pass: number): Float64Array {
    return this.predictions.get(pass)!;
  }

  private checkedPrediction(pass: number): Float64Array {
    const channels = this.manifest.slices[0]!;
    const name = `first_${pass}.prediction`;
    const weights = Float64Array.from(this.array(name, "int16", [channels, channels + MEANS, 3, 3]).values);
    const size = weights.length / channels;
    const exact = size * 2 ** 15 * LARGEST_PLANE < 2 ** 53;
    require(exact, "model", `The sums of ${name} of the model set are not exact.`);
    return weights;
  }

  /**
   * Grey levels of R, G and B of a latent of 1 grey level, one row of `channels` for each colour: what linear synthesis
   * makes of it, on average over a square (docs/format.md, "Preview").
   */
  get meanColours(): Float32Array {
    this.colours ??= this.averagedColours();
    return this.colours;
  }
  private colours: Float32Array | undefined;

  private averagedColours(): Float32Array {
    const { values } = this.weights("linear.synthesis");
    const out = new Float64Array(3 * this.channels);
    const size = values.length / 3;
    for (let i = 0; i < values.length; i++) out[Math.floor(i / size) * this.channels + (i % this.channels)]! += values[i]! / 256;
    return Float32Array.from(out);
  }

  private array(name: string, type?: StoredArray["type"], shape?: number[]): StoredArray {
    const found = this.pack.arrays.get(name);
    require(found !== undefined, "model", `The model set has no array ${name}.`);
    const fits = (!type || found.type === type) && (!shape || found.shape.join() === shape.join());
    require(fits, "model", `The array ${name} of the model set has another type or shape.`);
    return found;
  }

  /** An array of a network, as float32: float16 and integers as they are, i8 times its scale. */
  private weights(name: string): Weights {
    const { type, shape, values } = this.array(name);
    if (type === "float16") return { shape, values: fromHalf(values as Uint16Array) };
    if (type !== "int8") return { shape, values: Float32Array.from(values) };
    const scale = this.array(`${name}.scale`, "float32");
    const out = new Float32Array(values.length);
    const strides = stridesOf(scale.shape);
    const index = new Array<number>(shape.length).fill(0);
    for (let i = 0; i < out.length; i++) {
      let at = 0;
      for (let axis = 0; axis < shape.length; axis++) at += scale.shape[axis] === 1 ? 0 : index[axis]! * strides[axis]!;
      out[i] = values[i]! * scale.values[at]!;
      for (let axis = shape.length - 1; axis >= 0 && ++index[axis]! === shape[axis]; axis--) index[axis] = 0;
    }
    return { shape, values: out };
  }

  /** Sum |a| * 255 + |b| < 2^24 for each output channel: then float32 sums are exact in any order. */
  private checkBound(layer: string): void {
    const weight = this.array(`${layer}.weight`, "int16");
    const bias = this.array(`${layer}.bias`, "int32", [weight.shape[0]!]);
    const size = weight.values.length / weight.shape[0]!;
    for (let channel = 0; channel < weight.shape[0]!; channel++) {
      let sum = 0;
      for (let i = channel * size; i < (channel + 1) * size; i++) sum += Math.abs(weight.values[i]!);
      const bounded = sum * LARGEST_INPUT + Math.abs(bias.values[channel]!) < TOTAL;
      require(bounded, "model", `The sums of the layer ${layer} of the model set are not exact.`);
    }
  }

  private network(key: string, graph: string, arrayOf: (name: string) => string): Promise<Network> {
    let found = this.networks.get(key);
    if (!found) {
      const model = this.pack.graphs.get(graph);
      require(model !== undefined, "model", `The model set has no network ${graph}.`);
      found = Network.create(withWeights(model, (name) => this.weights(arrayOf(name))));
      this.networks.set(key, found);
    }
    return found;
  }

  /** A network of the entropy model; the two of a pass over the first slice share its arrays. */
  entropy(name: string): Promise<Network> {
    const arrays = name.replace(/^(first_\d)_.*$/, "$1");
    return this.network(name, name, (array) => `${arrays}.${array}`);
  }

  synthesis(texture: number): Promise<Network> {
    return this.network(`synthesis.${texture}`, "synthesis", (array) =>
      array === "linear.weight" ? "linear.synthesis" : array === "lapping" ? "linear.lapping" : `synthesis.${texture}.${array}`,
    );
  }

  /** How many latents beside a square its pixels depend on in the synthesis of a class. */
  reach(texture: number): number {
    const has = (layer: string) => this.pack.arrays.has(`synthesis.${texture}.${layer}.weight`);
    const count = (layer: (i: number) => string) => {
      let found = 0;
      while (has(layer(found))) found++;
      return found;
    };
    return synthesisReach({
      blocks: count((i) => `blocks.${i}.spatial`),
      view: has("view"),
      filter: has("post_filter.view") ? count((i) => `post_filter.layers.${i}`) : undefined,
    });
  }

  fusion(): Promise<Network> {
    return this.network("fusion", "fusion", (array) => `fusion.${array}`);
  }

  /** What the synthesis of a class adds at a rate index, one value for each of its channels. */
  rateBias(texture: number, rate: number): Float32Array {
    const { shape, values } = this.weights(`synthesis.${texture}.rate`);
    return values.slice(rate * shape[1]!, (rate + 1) * shape[1]!);
  }

  stepsOf(rate: number): Float32Array {
    return this.steps.subarray(rate * this.channels, (rate + 1) * this.channels);
  }
}

function tablesOf(frequencies: Uint32Array, sizes: number[]): Tables {
  const offsets = new Uint32Array(sizes.length + 1);
  sizes.forEach((size, i) => (offsets[i + 1] = offsets[i]! + size + 1));
  const starts = new Uint32Array(offsets[sizes.length]!);
  let position = 0;
  sizes.forEach((size, table) => {
    let sum = 0;
    let sound = true;
    for (let entry = 0; entry < size; entry++) {
      starts[offsets[table]! + entry] = sum;
      const frequency = frequencies[position++] ?? 0;
      sound &&= frequency >= 1;
      sum += frequency;
    }
    starts[offsets[table]! + size] = sum;
    require(sound && sum === TOTAL, "model", "A probability table of the model set does not sum to 2^24.");
  });
  require(position === frequencies.length, "model", "The probability tables of the model set have another size.");
  return { starts, offsets };
}

function stridesOf(shape: readonly number[]): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  return strides;
}

/** Values of float16 numbers, which are given as their bits. */
function fromHalf(bits: Uint16Array): Float32Array {
  return Float32Array.from(bits, (half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 31;
    const fraction = half & 1023;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? NaN : sign * Infinity;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
}
