import { Fields, hex } from "./bytes.js";
import { Container } from "./container.js";
import { TcxError } from "./errors.js";
import { type FeatureStream, readFeatureStream } from "./features.js";
import { ABSENT, DRAWN } from "./tiles.js";

/** A rectangle in pixels. */
export interface Region {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** One tile of the grid. */
export interface TileInfo extends Region {
  /** Texture class, "drawn" or "absent". */
  texture: number | "drawn" | "absent";
  bytes: number;
  rate: number;
  /** Whether its bytes match their checksum; in compact files only drawn tiles have one, others are found damaged by decoding. */
  sound: boolean;
}

/** What a file says about itself. */
export interface Info {
  version: string;
  width: number;
  height: number;
  channels: 1 | 3;
  alpha: boolean;
  /** Whether there are pixels; if not, the file has feature streams only. */
  hasPixels: boolean;
  lean: boolean;
  /** Whether the file has the short form of entropy profile 2. */
  compact: boolean;
  fusion: boolean;
  profile: number;
  rate: number;
  tile: number;
  columns: number;
  rows: number;
  /** Identity of the model set, 32 hexadecimal digits, of compact files the first 16; undefined if none is needed. */
  identity: string | undefined;
  cicp: readonly number[];
  /** The file's ICC profile: what it calls itself, and whether samples can be converted to sRGB by it. */
  colours: { name: string | undefined; convertible: boolean } | undefined;
  bytes: number;
  bitsPerPixel: number;
  tiles: TileInfo[];
  /** Whether the bytes of all tiles match their checksums. */
  sound: boolean;
  features: FeatureStream[];
  /** Bytes of the ancillary chunks by type. */
  chunks: Record<string, number>;
  /** What the encoder wrote about itself, if it did. */
  encoder: string | undefined;
  /** The region of interest, and whether what lies outside it is coded. */
  crop: (Region & { outside: "absent" | "coarse" }) | undefined;
  /** A small picture, a complete JPEG or PNG file. */
  preview: Uint8Array | undefined;
  /** What is wrong with the file; only with salvage. */
  problems: string[];
}

/** Describe a file without decoding it. */
export function info(bytes: Uint8Array, { salvage = false }: { salvage?: boolean } = {}): Info {
  return describe(new Container(bytes, salvage));
}

export function describe(file: Container): Info {
  const { header, grid } = file;
  const problems = [...file.problems];
  const { crop, features, tiles } = { crop: cropOf(file, problems), features: featuresOf(file, problems), tiles: tilesOf(file) };
  return {
    version: header.version, width: header.width, height: header.height, channels: header.channels, alpha: header.alpha,
    hasPixels: !header.noPixels, lean: header.lean, compact: header.compact, fusion: header.fusion, profile: header.profile, rate: header.rate,
    tile: header.tile, columns: grid.columns, rows: grid.rows,
    identity: header.noPixels || header.profile === 0 ? undefined : hex(header.identity),
    cicp: header.cicp, colours: file.profile && { name: file.profile.name, convertible: file.profile.convert !== undefined }, bytes: file.data.length,
    bitsPerPixel: (8 * file.data.length) / (header.width * header.height),
    tiles, sound: file.dataIsSound && tiles.every((tile) => tile.sound), features, crop, problems,
    chunks: Object.fromEntries([...file.chunks].map(([type, payload]) => [type, payload.length])),
    encoder: encoderOf(file.chunks.get("text")),
    preview: file.chunks.get("prev"),
  };
}

function tilesOf(file: Container): TileInfo[] {
  return file.tiles.map(({ texture, length, rate }, index) => {
    const box = file.grid.box(index);
    return {
      x: box.left, y: box.top, width: box.right - box.left, height: box.bottom - box.top,
      texture: texture === ABSENT ? "absent" : texture === DRAWN ? "drawn" : texture,
      bytes: length, rate, sound: isSound(file, index),
    };
  });
}

function isSound(file: Container, index: number): boolean {
  try {
    file.payload(index);
    return true;
  } catch (error) {
    if (error instanceof TcxError) return false;
    throw error;
  }
}

function featuresOf(file: Container, problems: string[]): FeatureStream[] {
  const found: FeatureStream[] = [];
  for (const stream of file.streams) {
    try {
      found.push(readFeatureStream(stream));
    } catch (error) {
      if (!(error instanceof TcxError)) throw error;
      problems.push(error.message); // the pixels beside it can still be decoded
    }
  }
  return found;
}

function encoderOf(text: Uint8Array | undefined): string | undefined {
  if (!text) return undefined;
  try {
    const parsed: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(text));
    const encoder = typeof parsed === "object" && parsed !== null ? (parsed as Record<string, unknown>)["encoder"] : undefined;
    return typeof encoder === "string" ? encoder.slice(0, 200) : undefined;
  } catch {
    return undefined; // anyone may have written it
  }
}

/** The chunk `crop`; one that cannot be is a problem, and the picture is decoded without it. */
function cropOf(file: Container, problems: string[]): Info["crop"] {
  const payload = file.chunks.get("crop");
  if (!payload) return undefined;
  try {
    const fields = new Fields(payload, "The chunk crop");
    const outside = fields.u8();
    const [x, y, width, height] = [fields.varint(), fields.varint(), fields.varint(), fields.varint()];
    const inside = width > 0 && height > 0 && x + width <= file.header.width && y + height <= file.header.height;
    if (!inside || outside > 1 || fields.rest > 0) throw new TcxError("corrupt", "The chunk crop does not fit the picture.");
    return { x, y, width, height, outside: outside === 0 ? "absent" : "coarse" };
  } catch (error) {
    if (!(error instanceof TcxError)) throw error;
    problems.push(error.message);
    return undefined;
  }
}
