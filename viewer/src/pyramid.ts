import { type LatentDecoder, contextFeatures } from "./latents.js";
import { joinBlockMeans } from "./lifting.js";
import type { Tensor } from "./runtime.js";

/** Channels of the first slice that hold block means, in the order in which passes read their coefficients. */
export const MEAN_CHANNELS = [0, 2, 1] as const;
const MARK = 32;

/** The passes over the first slice: spacing of the sub-grid, offsets of the coded points. */
const PASSES: { spacing: number; offsets: (readonly [number, number])[] }[] = [
  { spacing: 2, offsets: [[0, 0]] },
  { spacing: 2, offsets: [[1, 1]] },
  { spacing: 2, offsets: [[0, 1], [1, 0]] },
  { spacing: 1, offsets: [[1, 1]] },
  { spacing: 1, offsets: [[0, 1], [1, 0]] },
];

/** The points of a sub-grid that a pass codes at one of its offsets: (2 i + a, 2 j + b). */
interface Points {
  a: number;
  b: number;
  rows: number;
  columns: number;
  /** Their numbers among the positions of the tile, row by row. */
  places: Uint32Array;
}

/** The points at an offset of the sub-grid with this spacing; nothing if there are none. */
function pointsAt(tile: LatentDecoder, spacing: number, [a, b]: readonly [number, number]): Points[] {
  const rows = Math.ceil((Math.ceil(tile.rows / spacing) - a) / 2);
  const columns = Math.ceil((Math.ceil(tile.columns / spacing) - b) / 2);
  if (rows <= 0 || columns <= 0) return [];
  const place = (i: number) =>
    spacing * ((2 * Math.floor(i / columns) + a) * tile.columns + 2 * (i % columns) + b);
  return [{ a, b, rows, columns, places: Uint32Array.from({ length: rows * columns }, (_, i) => place(i)) }];
}

/** The planes that a pass reads, c + 3 of them over its sub-grid, and their context features. */
interface Seen {
  rows: number;
  columns: number;
  planes: Float64Array;
  context: Float32Array;
}

/** Decode the first slice of a tile in passes over a pyramid (docs/format.md, "First slice"), its block means joined. */
export async function decodeFirstSlice(tile: LatentDecoder): Promise<void> {
  const { models, area, u } = tile;
  const channels = models.manifest.slices[0]!;
  const known = new Uint8Array(area);
  for (const [pass, { spacing, offsets }] of PASSES.entries()) {
    const parts = offsets.flatMap((offset) => pointsAt(tile, spacing, offset));
    if (parts.length === 0) continue;
    const seen = pass > 0 ? planesOf(tile, channels, spacing, known) : undefined;
    const count = parts.reduce((sum, points) => sum + points.places.length, 0);
    const places = new Uint32Array(channels * count);
    const means = new Float64Array(channels * count);
    const scales = new Float64Array(channels * count);
    let begin = 0;
    for (const points of parts) {
      const graph = seen ? `first_${pass}_${points.a}${points.b}` : "first_0";
      const out = await runNetwork(tile, graph, points, channels, seen);
      if (seen) predict(out, models.prediction(pass), points, channels, seen);
      const size = points.places.length;
      for (let channel = 0; channel < channels; channel++) {
        const to = channel * count + begin;
        for (let i = 0; i < size; i++) {
          places[to + i] = channel * area + points.places[i]!;
          means[to + i] = out[channel * size + i]!;
          scales[to + i] = out[(channels + channel) * size + i]!;
        }
      }
      begin += size;
    }
    tile.step(places, means, scales);
    for (let i = 0; i < count; i++) known[places[i]!] = 1;
  }
  for (const channel of MEAN_CHANNELS) u.set(joined(tile, channel), channel * area);
}

/** Block means of a channel, from its coefficients as far as they are decoded. */
function joined(tile: LatentDecoder, channel: number): Float64Array {
  const { u, area, rows, columns } = tile;
  const plane = Float64Array.from(u.subarray(channel * area, (channel + 1) * area));
  joinBlockMeans(plane, rows, columns);
  return plane;
}

function planesOf(tile: LatentDecoder, channels: number, spacing: number, known: Uint8Array): Seen {
  const { u, area, columns: width, models } = tile;
  const [rows, columns] = [Math.ceil(tile.rows / spacing), Math.ceil(width / spacing)];
  const size = rows * columns;
  const planes = new Float64Array((channels + MEAN_CHANNELS.length) * size);
  const copy = (from: ArrayLike<number>, start: number, to: number) => {
    for (let y = 0, i = to * size; y < rows; y++) {
      for (let x = 0; x < columns; x++, i++) planes[i] = from[start + spacing * (y * width + x)]!;
    }
  };
  for (let channel = MEAN_CHANNELS.length; channel < channels; channel++) copy(u, channel * area, channel);
  MEAN_CHANNELS.forEach((channel, i) => {
    copy(joined(tile, channel), 0, channel);
    copy(u, channel * area, channels + i);
  });
  const context = contextFeatures(planes, models.magnitudes, true, size);
  for (let y = 0, i = context.length - size; y < rows; y++) {
    for (let x = 0; x < columns; x++, i++) context[i] = known[spacing * (y * width + x)]! > 0 ? MARK : 0;
  }
  return { rows, columns, planes, context };
}

/** What the network of a pass gives at the points of an offset: c means and c scale indices, 2 c x rows x columns. */
async function runNetwork(
  tile: LatentDecoder,
  graph: string,
  points: Points,
  channels: number,
  seen: Seen | undefined,
): Promise<Float64Array> {
  const { models, features, area } = tile;
  const size = points.places.length;
  const values = new Float32Array(models.features * size);
  for (let channel = 0; channel < models.features; channel++) {
    for (let i = 0; i < size; i++) {
      values[channel * size + i] = features[channel * area + points.places[i]!]!;
    }
  }
  const inputs: Tensor[] = [{ values, shape: [1, models.features, points.rows, points.columns] }];
  if (seen) {
    const count = seen.context.length / (seen.rows * seen.columns);
    inputs.push({ values: seen.context, shape: [1, count, seen.rows, seen.columns] });
  }
  const run = (await models.entropy(graph)).run(inputs, [1, 2 * channels, points.rows, points.columns]);
  return Float64Array.from(await run);
}

/**
 * Add the linear predictions to the means. Sums are exact: weights are below 2^15, planes at most 2^22, and the set was
 * checked to have no more of them than 2^53 allows.
 */
function predict(out: Float64Array, weights: Float64Array, points: Points, channels: number, seen: Seen): void {
  const { rows, columns, planes } = seen;
  const depth = channels + MEAN_CHANNELS.length;
  const size = points.places.length;
  const window = new Float64Array(9 * depth);
  for (let i = 0; i < size; i++) {
    const y = 2 * Math.floor(i / points.columns) + points.a;
    const x = 2 * (i % points.columns) + points.b;
    let to = 0;
    for (let plane = 0; plane < depth; plane++) {
      for (let row = y - 1; row <= y + 1; row++) {
        for (let column = x - 1; column <= x + 1; column++) {
          const inside = row >= 0 && row < rows && column >= 0 && column < columns;
          window[to++] = inside ? planes[(plane * rows + row) * columns + column]! : 0;
        }
      }
    }
    for (let channel = 0; channel < channels; channel++) {
      const from = channel * window.length;
      let sum = 2048;
      for (let k = 0; k < window.length; k++) sum += weights[from + k]! * window[k]!;
      out[channel * size + i]! += Math.floor(sum / 4096);
    }
  }
}
