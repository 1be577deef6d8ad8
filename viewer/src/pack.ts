import { sha256 } from "@noble/hashes/sha2.js";

import { bytesOf, hex } from "./bytes.js";
import { TcxError, require } from "./errors.js";

const TYPES = {
  float16: Uint16Array,
  float32: Float32Array,
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
} as const;
type TypeName = keyof typeof TYPES;
type Values = InstanceType<(typeof TYPES)[TypeName]>;

/** An array of a model set; float16 values are kept as their bits. */
export interface StoredArray {
  type: TypeName;
  shape: number[];
  values: Values;
}

/** What the manifest of a set for pictures says that decoding needs (docs/format.md, "Model sets"). */
export interface Manifest {
  name: string;
  entropy_profile: number;
  slices: number[];
  hyper_channels: number;
  classes: string[];
  halo: number;
  fusion: boolean;
  gains?: boolean;
}

/** A model set as it comes over the wire, unpacked and checked against its identity. */
export interface ModelPack {
  identity: string;
  manifest: Manifest;
  graphs: Map<string, Uint8Array>;
  arrays: Map<string, StoredArray>;
}

interface Head {
  manifest: Manifest;
  graphs: [name: string, bytes: number][];
  /** An array that equals an earlier one has that one's number behind its shape, and no bytes of its own. */
  arrays: [name: string, type: TypeName, shape: number[], same?: number][];
}

const MAGIC = "TCXPACK2";
const LARGEST = 256 * 2 ** 20;

/**
 * Unpack what `texcodec/viewer/pack.py` packed: gzip over a magic number, a JSON head behind its length (u32), the graphs
 * and the arrays. Values of several bytes stand in planes, all lowest bytes first: so gzip finds more to shorten.
 *
 * The identity is computed anew over graphs and arrays: a set that is not the expected one is refused.
 *
 * @param identity hexadecimal digits, 32 or the first 16 of them.
 */
export async function unpackModels(packed: Uint8Array, identity: string): Promise<ModelPack> {
  const data = await gunzip(packed);
  const text = (start: number, end: number) => new TextDecoder().decode(data.subarray(start, end));
  require(text(0, 8) === MAGIC, "model", "The model set is not packed for the web.");
  const headBytes = new DataView(data.buffer).getUint32(8, true);
  let position = 12 + headBytes;
  require(position <= data.length, "model", "The model set is cut off.");
  const head = JSON.parse(text(12, position)) as Head;
  const take = (bytes: number) => {
    require(position + bytes <= data.length, "model", "The model set is cut off.");
    position += bytes;
    return data.subarray(position - bytes, position);
  };
  const graphs = new Map(head.graphs.map(([name, bytes]) => [name, take(bytes)]));
  const arrays = new Map<string, StoredArray>();
  for (const [name, type, shape, same] of head.arrays) {
    const earlier = same === undefined ? undefined : arrays.get(head.arrays[same]?.[0] ?? "");
    require(same === undefined || earlier?.type === type, "model", `The model set lacks the array ${name}.`);
    const count = shape.reduce((product, size) => product * size, 1);
    const values = earlier?.values ?? new TYPES[type](count);
    if (!earlier) joinPlanes(take(count * values.BYTES_PER_ELEMENT), bytesOf(values), values.BYTES_PER_ELEMENT);
    arrays.set(name, { type, shape, values });
  }
  require(position === data.length, "model", "The model set has more bytes than it should.");
  const found = identityOf(graphs, arrays);
  require(found.startsWith(identity), "model", `The model set is damaged: its identity is ${found} and not ${identity}.`);
  return { identity: found, manifest: head.manifest, graphs, arrays };
}

function joinPlanes(planes: Uint8Array, out: Uint8Array, width: number): void {
  const count = planes.length / width;
  for (let byte = 0; byte < width; byte++) {
    for (let i = 0; i < count; i++) out[i * width + byte] = planes[byte * count + i]!;
  }
}

/** docs/format.md, "Identity". */
function identityOf(graphs: Map<string, Uint8Array>, arrays: Map<string, StoredArray>): string {
  const digest = sha256.create();
  const encode = (text: string) => new TextEncoder().encode(text);
  const add = (label: string, data: Uint8Array) => {
    const head = encode(label);
    const numbers = new DataView(new ArrayBuffer(12));
    numbers.setUint32(0, head.length, true);
    numbers.setUint32(4, data.length, true);
    digest.update(new Uint8Array(numbers.buffer, 0, 4)).update(head).update(new Uint8Array(numbers.buffer, 4)).update(data);
  };
  digest.update(encode("texcodec decoder 1\0"));
  for (const name of [...graphs.keys()].sort()) add(`graph ${name}`, graphs.get(name)!);
  for (const name of [...arrays.keys()].sort()) {
    const { type, shape, values } = arrays.get(name)!;
    add(`array ${name} ${type} ${shape.join("x")}`, bytesOf(values));
  }
  return hex(digest.digest().subarray(0, 16));
}

async function gunzip(packed: Uint8Array): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  try {
    const stream = new Blob([packed as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
    const reader = stream.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      size += value.length;
      if (size > LARGEST) break;
    }
  } catch {
    throw new TcxError("model", "The model set is damaged: it cannot be unpacked.");
  }
  require(size >= 12 && size <= LARGEST, "model", "The model set is damaged: its size cannot be right.");
  const out = new Uint8Array(size);
  let position = 0;
  for (const part of parts) {
    out.set(part, position);
    position += part.length;
  }
  return out;
}
