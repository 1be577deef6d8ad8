import { bytesOf, crc32 } from "./bytes.js";
import { TcxError, require } from "./errors.js";
import { LatentDecoder } from "./latents.js";
import type { ModelSet } from "./model_set.js";
import { MEAN_CHANNELS, decodeFirstSlice } from "./pyramid.js";
import type { TileEntry } from "./tiles.js";

const CHECKSUM_MASK = 0xffffff;

/** Symbols of a tile, of C channels on h rows and w columns of latents. */
export interface TileSymbols {
  rows: number;
  columns: number;
  /** Z x ceil(h / 4) x ceil(w / 4). */
  hyper: Int8Array;
  /** C x h x w. */
  latents: Int16Array;
  /** u / 16 for each latent, in symbols, without its gain: what synthesis reads. */
  values: Float32Array;
}

/** What must be known of a tile to decode it. */
export interface Coded {
  models: ModelSet;
  tile: TileEntry;
  payload: Uint8Array;
  /** Rows and columns of its latents. */
  rows: number;
  columns: number;
  /** Its number in the grid. */
  index: number;
}

/** Decode the symbols of a tile and check them (docs/format.md, "Order of symbols"). */
export async function decodeSymbols(coded: Coded): Promise<TileSymbols> {
  return named(coded.index, async () => {
    const decoder = decoderOf(coded);
    return coded.models.manifest.entropy_profile === 1 ? decodeCheckerboard(decoder, coded) : decodePyramid(decoder, coded);
  });
}

/**
 * Block means of a tile of entropy profile 2 in symbols, 3 x h x w, in the order of `MEAN_CHANNELS` (docs/format.md,
 * "Preview"). The stream is not read to its end, so nothing is checked but that it can be read.
 */
export async function decodeMeans(coded: Coded): Promise<Float32Array> {
  return named(coded.index, async () => {
    const decoder = decoderOf(coded);
    countSlices(decoder, coded);
    await decoder.hyperSynthesis(decoder.hyperLatents());
    await decodeFirstSlice(decoder);
    const { area, u } = decoder;
    const means = new Float32Array(3 * area);
    MEAN_CHANNELS.forEach((channel, i) => means.set(u.subarray(channel * area, (channel + 1) * area), i * area));
    return means.map((mean) => mean / 16);
  });
}

function decoderOf({ models, tile, payload, rows, columns }: Coded): LatentDecoder {
  require(tile.rate <= 255, "corrupt", "its rate index is beyond the step table.");
  return new LatentDecoder(models, tile.rate, tile.texture, payload, rows, columns);
}

/** Say which tile it is that cannot be decoded. */
async function named<T>(index: number, decode: () => Promise<T>): Promise<T> {
  try {
    return await decode();
  } catch (error) {
    if (!(error instanceof TcxError) || error.kind !== "corrupt") throw error;
    throw new TcxError("corrupt", `Tile ${index} is damaged: ${error.message}`, index);
  }
}

/** Entropy profile 1: the first slice in two steps, over even and over odd positions. */
async function decodeCheckerboard(decoder: LatentDecoder, { tile }: Coded): Promise<TileSymbols> {
  const { area, columns, models } = decoder;
  const { slices } = models.manifest;
  const first = slices[0]!;
  const hyper = decoder.hyperLatents();
  await decoder.hyperSynthesis(hyper);
  for (const parity of [0, 1]) {
    const out = await decoder.contextNetwork(`context_${parity}`, first, parity > 0);
    const isCoded = (place: number) => (Math.floor((place % area) / columns) + (place % area % columns)) % 2 === parity;
    const places = new Uint32Array(first * area).map((_, i) => i).filter(isCoded);
    decoder.step(places, Array.from(places, (place) => out[place]!), Array.from(places, (place) => out[first * area + place]!));
    decoder.setContext(0, 0, first);
  }
  await decoder.furtherSlices(slices.length, (slice) => `context_${slice + 1}`);
  decoder.stream.finish();
  const { latents, u, rows } = decoder;
  const checksum = crc32(bytesOf(latents), crc32(bytesOf(hyper))) & 0xffff;
  require(checksum === tile.symbolChecksum, "corrupt", "its symbols do not match their checksum.");
  return { rows, columns, hyper, latents, values: u.map((value) => value / 16) };
}

/** Entropy profile 2: as many slices as the stream says, the first one in passes over a pyramid. */
async function decodePyramid(decoder: LatentDecoder, coded: Coded): Promise<TileSymbols> {
  const { models, rows, columns, latents } = decoder;
  const count = countSlices(decoder, coded);
  const hyper = decoder.hyperLatents();
  await decoder.hyperSynthesis(hyper);
  await decodeFirstSlice(decoder);
  if (count > 1) decoder.setContext(0, 0, models.manifest.slices[0]!);
  await decoder.furtherSlices(count, (slice) => `context_${slice}`);
  const number = bytesOf(Uint32Array.of(coded.index));
  decoder.stream.finish(crc32(bytesOf(latents), crc32(bytesOf(hyper), crc32(number))) & CHECKSUM_MASK);
  return { rows, columns, hyper, latents, values: await withoutGains(decoder) };
}

/** The number of slices that a stream of entropy profile 2 begins with. */
function countSlices({ models, stream }: LatentDecoder, { tile }: Coded): number {
  const { tables, bands } = models.sliceTables;
  const table = Math.floor((tile.rate * bands) / 256);
  const slices = models.manifest.slices.length;
  const count = stream.symbol(tables.starts, tables.offsets[table]!, tables.offsets[table + 1]! - 1) - slices;
  require(count >= 1, "corrupt", `it claims ${count} slices.`);
  return count;
}

/** Latents in symbols, divided by the gains that the hyper latents imply (docs/format.md, "Gains"). */
async function withoutGains(decoder: LatentDecoder): Promise<Float32Array> {
  const { models, features, rows, columns, area, u } = decoder;
  const values = u.map((value) => value / 16);
  const { gains } = models;
  if (!gains) return values;
  const network = await models.entropy("gains");
  const out = await network.run([{ values: features, shape: [1, models.features, rows, columns] }], [1, 2, rows, columns]);
  const factors = out.map((t) => gains.values[Math.min(Math.max(t + 32, 0), 63)]!);
  gains.planes.forEach((plane, channel) => {
    if (plane === 0) return;
    for (let i = 0; i < area; i++) values[channel * area + i]! /= factors[(plane - 1) * area + i]!;
  });
  return values;
}
