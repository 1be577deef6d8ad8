import { TcxError } from "./errors.js";

/** A tensor of float32 values, by the name that a graph gives it. */
export interface Weights {
  shape: readonly number[];
  values: Float32Array;
}

interface Field {
  number: number;
  /** The whole field, with its key. */
  start: number;
  end: number;
  /** Its content, if it is delimited by its length. */
  content: Uint8Array | undefined;
}

const GRAPH = 7; // of ModelProto
const INITIALIZER = 5; // of GraphProto
const NAME = 8; // of TensorProto

/**
 * A model whose weights are stored elsewhere, with the weights put in.
 *
 * Initialisers of the graphs of a model set have a name and a shape only (docs/format.md, "Model sets"). This knows as
 * much of protobuf as replacing them needs.
 */
export function withWeights(model: Uint8Array, find: (name: string) => Weights): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const field of fieldsOf(model)) {
    if (field.number === GRAPH && field.content) parts.push(...delimited(GRAPH, filledGraph(field.content, find)));
    else parts.push(model.subarray(field.start, field.end));
  }
  return joined(parts);
}

function filledGraph(graph: Uint8Array, find: (name: string) => Weights): Uint8Array {
  const parts: Uint8Array[] = [];
  for (const field of fieldsOf(graph)) {
    if (field.number !== INITIALIZER || !field.content) {
      parts.push(graph.subarray(field.start, field.end));
      continue;
    }
    const name = [...fieldsOf(field.content)].find((inner) => inner.number === NAME)?.content;
    if (!name) throw new TcxError("model", "A network of the model set has weights without a name.");
    parts.push(...delimited(INITIALIZER, tensor(name, find(new TextDecoder().decode(name)))));
  }
  return joined(parts);
}

function tensor(name: Uint8Array, { shape, values }: Weights): Uint8Array {
  const parts = shape.flatMap((size) => [key(1, 0), varint(size)]);
  parts.push(key(2, 0), varint(1)); // float32
  parts.push(...delimited(NAME, name));
  parts.push(...delimited(9, new Uint8Array(values.buffer, values.byteOffset, values.byteLength)));
  return joined(parts);
}

function* fieldsOf(data: Uint8Array): Generator<Field> {
  let position = 0;
  const next = (): number => {
    let value = 0;
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = data[position++];
      if (byte === undefined) break;
      value += (byte & 127) * 2 ** shift;
      if (byte < 128) return value;
    }
    throw new TcxError("model", "A network of the model set is not an ONNX model.");
  };
  while (position < data.length) {
    const start = position;
    const head = next();
    const wire = head % 8;
    let content: Uint8Array | undefined;
    if (wire === 0) next();
    else if (wire === 1) position += 8;
    else if (wire === 5) position += 4;
    else if (wire === 2) {
      const length = next();
      content = data.subarray(position, position + length);
      position += length;
    } else throw new TcxError("model", "A network of the model set is not an ONNX model.");
    if (position > data.length) throw new TcxError("model", "A network of the model set is cut off.");
    yield { number: Math.floor(head / 8), start, end: position, content };
  }
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  while (value >= 128) {
    bytes.push((value % 128) + 128);
    value = Math.floor(value / 128);
  }
  bytes.push(value);
  return Uint8Array.from(bytes);
}

const key = (number: number, wire: number) => varint(number * 8 + wire);
const delimited = (number: number, content: Uint8Array) => [key(number, 2), varint(content.length), content];

function joined(parts: Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    out.set(part, position);
    position += part.length;
  }
  return out;
}
