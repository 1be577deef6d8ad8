// ICC profiles of matrix and curves, as cameras and displays have them, to sRGB (ICC.1:2022, "Three-component matrix-based").

/** Turns samples R, G, B, A of 8 bits into those of sRGB, in place; alpha stays. */
export type Conversion = (samples: Uint8ClampedArray) => void;

/** What a file's profile is called, and how its samples become sRGB; `convert` is missing where they cannot. */
export interface Profile {
  name: string | undefined;
  convert: Conversion | undefined;
}

/** XYZ of the connection space (D50) to linear sRGB: the inverse of sRGB's primaries, adapted to D50. */
const TO_SRGB = [3.1338561, -1.6168667, -0.4906146, -0.9787684, 1.9161415, 0.033454, 0.0719453, -0.2289914, 1.4052427] as const;
const LEVELS = 256;
/** Steps of linear light in the table back to samples; sRGB is steepest near black, 12.92 levels for a level. */
const LIGHTS = 16384;

type Curve = (x: number) => number;

/** Read a profile for a picture of this many channels; whatever is wrong with it, the samples just stay as they are. */
export function readProfile(data: Uint8Array, channels: 1 | 3): Profile {
  let name: string | undefined;
  try {
    const tags = tagsOf(data);
    name = nameOf(tags.get("desc"));
    return { name, convert: conversionOf(data, tags, channels) };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error; // it says that it is longer than it is
    return { name, convert: undefined };
  }
}

const textAt = (view: DataView, at: number) => String.fromCharCode(...[0, 1, 2, 3].map((i) => view.getUint8(at + i)));

function tagsOf(data: Uint8Array): Map<string, DataView> {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const tags = new Map<string, DataView>();
  if (textAt(view, 36) !== "acsp") return tags;
  const count = Math.min(view.getUint32(128), 100);
  for (let at = 132; at < 132 + 12 * count; at += 12) {
    const [start, size] = [view.getUint32(at + 4), view.getUint32(at + 8)];
    if (start + size <= data.length) tags.set(textAt(view, at), new DataView(data.buffer, data.byteOffset + start, size));
  }
  return tags;
}

function nameOf(tag: DataView | undefined): string | undefined {
  if (!tag) return undefined;
  const kind = textAt(tag, 0);
  let text = "";
  if (kind === "desc") {
    const count = Math.min(tag.getUint32(8), 200);
    for (let i = 0; i < count; i++) text += String.fromCharCode(tag.getUint8(12 + i));
  } else if (kind === "mluc" && tag.getUint32(8) > 0) {
    const [size, start] = [Math.min(tag.getUint32(20), 400), tag.getUint32(24)];
    for (let i = 0; i + 1 < size; i += 2) text += String.fromCharCode(tag.getUint16(start + i));
  }
  return text.replace(/\0.*$/s, "").trim() || undefined;
}

function conversionOf(data: Uint8Array, tags: Map<string, DataView>, channels: 1 | 3): Conversion | undefined {
  const header = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [space, connection] = [textAt(header, 16), textAt(header, 20)];
  if (connection !== "XYZ " || tags.has("A2B0") || space !== (channels === 1 ? "GRAY" : "RGB ")) return undefined;
  const names = channels === 1 ? ["kTRC"] : ["rTRC", "gTRC", "bTRC"];
  const lights = names.map((name) => lightOf(curveOf(tags.get(name))));
  const columns = channels === 1 ? [] : ["rXYZ", "gXYZ", "bXYZ"].map((name) => xyzOf(tags.get(name)));
  if (lights.includes(undefined) || columns.includes(undefined)) return undefined;
  const matrix = channels === 1 ? [1] : product(columns as number[][]);
  const convert = converter(lights as Float64Array[], matrix);
  return changes(convert, channels) ? convert : () => undefined;
}

function xyzOf(tag: DataView | undefined): number[] | undefined {
  if (!tag || textAt(tag, 0) !== "XYZ ") return undefined;
  return [8, 12, 16].map((at) => tag.getInt32(at) / 65536);
}

/** Light of a device to linear sRGB, row by row. */
function product(columns: number[][]): number[] {
  return [0, 1, 2].flatMap((row) =>
    columns.map((column) => column.reduce((sum, value, i) => sum + TO_SRGB[3 * row + i]! * value, 0)),
  );
}

/** A curve from samples to light, both 0 ... 1 (ICC.1:2022, "curveType", "parametricCurveType"). */
function curveOf(tag: DataView | undefined): Curve | undefined {
  if (!tag) return undefined;
  const kind = textAt(tag, 0);
  if (kind === "curv") {
    const count = tag.getUint32(8);
    if (count === 0) return (x) => x;
    if (count === 1) {
      const gamma = tag.getUint16(12) / 256;
      return (x) => x ** gamma;
    }
    tag.getUint16(12 + 2 * (count - 1)); // all of it is there
    return (x) => {
      const place = x * (count - 1);
      const before = Math.min(Math.floor(place), count - 2);
      const [low, high] = [tag.getUint16(12 + 2 * before), tag.getUint16(14 + 2 * before)];
      return (low + (high - low) * (place - before)) / 65535;
    };
  }
  if (kind !== "para") return undefined;
  const form = tag.getUint16(8);
  const size = [1, 3, 4, 5, 7][form];
  if (size === undefined) return undefined;
  const numbers = Array.from({ length: size }, (_, i) => tag.getInt32(12 + 4 * i) / 65536);
  const [g, a = 1, b = 0, c = 0, d = 0, e = 0, f = 0] = numbers as [number, ...number[]];
  switch (form) {
    case 0: return (x) => x ** g;
    case 1: return (x) => (x >= -b / a ? (a * x + b) ** g : 0);
    case 2: return (x) => (x >= -b / a ? (a * x + b) ** g + c : c);
    case 3: return (x) => (x >= d ? (a * x + b) ** g : c * x);
    default: return (x) => (x >= d ? (a * x + b) ** g + e : c * x + f);
  }
}

/** The light of each level; nothing if the curve has none for one of them. */
function lightOf(curve: Curve | undefined): Float64Array | undefined {
  if (!curve) return undefined;
  const light = Float64Array.from({ length: LEVELS }, (_, level) => curve(level / (LEVELS - 1)));
  return light.every(Number.isFinite) ? light : undefined;
}

let levels: Uint8Array | undefined;

/** The level of sRGB of each of `LIGHTS` + 1 steps of light. */
function levelTable(): Uint8Array {
  levels ??= Uint8Array.from({ length: LIGHTS + 1 }, (_, i) => {
    const light = i / LIGHTS;
    const value = light <= 0.0031308 ? 12.92 * light : 1.055 * light ** (1 / 2.4) - 0.055;
    return Math.round(255 * value);
  });
  return levels;
}

function converter(lights: readonly Float64Array[], m: readonly number[]): Conversion {
  const table = levelTable();
  const level = (light: number) => table[Math.round(Math.min(Math.max(light, 0), 1) * LIGHTS)]!;
  if (lights.length === 1) {
    const grey = lights[0]!.map(level);
    return (samples) => {
      for (let i = 0; i < samples.length; i += 4) samples[i] = samples[i + 1] = samples[i + 2] = grey[samples[i]!]!;
    };
  }
  const [red, green, blue] = lights as [Float64Array, Float64Array, Float64Array];
  return (samples) => {
    for (let i = 0; i < samples.length; i += 4) {
      const [r, g, b] = [red[samples[i]!]!, green[samples[i + 1]!]!, blue[samples[i + 2]!]!];
      samples[i] = level(m[0]! * r + m[1]! * g + m[2]! * b);
      samples[i + 1] = level(m[3]! * r + m[4]! * g + m[5]! * b);
      samples[i + 2] = level(m[6]! * r + m[7]! * g + m[8]! * b);
    }
  };
}

/** Whether a colour of a coarse cube moves by more than a level; if none does, the profile is sRGB by another name. */
function changes(convert: Conversion, channels: 1 | 3): boolean {
  const steps = [0, 32, 64, 96, 128, 160, 192, 224, 255];
  const colours =
    channels === 1 ? steps.map((v) => [v, v, v]) : steps.flatMap((r) => steps.flatMap((g) => steps.map((b) => [r, g, b])));
  const before = Uint8ClampedArray.from(colours.flatMap((colour) => [...colour, 255]));
  const after = before.slice();
  convert(after);
  return after.some((value, i) => Math.abs(value - before[i]!) > 1);
}
