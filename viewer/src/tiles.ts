import { Fields } from "./bytes.js";
import { require } from "./errors.js";
import type { Header } from "./header.js";

export const DRAWN = 254;
export const ABSENT = 255;

/** What index or lean header say about a tile. */
export interface TileEntry {
  /** Texture class, `DRAWN` or `ABSENT`. */
  texture: number;
  /** Bytes of its payload and where it starts in TDAT. */
  length: number;
  start: number;
  /** Row of the step table. */
  rate: number;
  /** Crc32 over the tile's number and its payload; in a lean file the chunk has it, in a compact one the stream. */
  payloadChecksum: number | undefined;
  /** Low 16 bits of the crc32 over its symbols, in a drawn tile samples; in a compact file the stream has another. */
  symbolChecksum: number | undefined;
}

function checkClass(header: Header, texture: number, offset: number, tile: number): void {
  const where = `of tile ${tile}`;
  if (texture === DRAWN && header.drawn) {
    require(offset === 0 || offset === 1, "corrupt", `The rate offset ${where} is not one of a drawn tile.`);
    return;
  }
  require(texture < header.classes && header.profile !== 0, "corrupt", `The class ${where} is none of the header's.`);
  const rate = header.rate + offset;
  require(rate >= 0 && rate <= 65535, "corrupt", `The rate index ${where} is out of range.`);
}

/** TIDX. */
export function readIndex(header: Header, count: number, payload: Uint8Array): TileEntry[] {
  const fields = new Fields(payload, "The index of the tiles");
  const tiles: TileEntry[] = [];
  let start = 0;
  for (let number = 0; number < count; number++) {
    const texture = fields.u8();
    if (texture === ABSENT) {
      tiles.push({ texture, length: 0, start, rate: 0, payloadChecksum: undefined, symbolChecksum: undefined });
      continue;
    }
    const length = fields.varint();
    const offset = fields.i8();
    const payloadChecksum = fields.u32();
    const symbolChecksum = fields.u16();
    checkClass(header, texture, offset, number);
    tiles.push({ texture, length, start, rate: header.rate + offset, payloadChecksum, symbolChecksum });
    start += length;
  }
  require(fields.rest === 0, "corrupt", "Bytes follow the last entry of the index of the tiles.");
  return tiles;
}

/** The tile of a lean file, whose fields follow those of the header. */
export function readLeanTile(header: Header, fields: Fields): TileEntry {
  const texture = fields.u8();
  const offset = fields.i8();
  const symbolChecksum = fields.u16();
  checkClass(header, texture, offset, 0);
  return { texture, length: fields.rest, start: 0, rate: header.rate + offset, payloadChecksum: undefined, symbolChecksum };
}
