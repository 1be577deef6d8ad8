import { Fields, crc32, u32At } from "./bytes.js";
import { TcxError, require } from "./errors.js";
import { Grid } from "./grid.js";
import { DEFAULT_CICP, type Header, checkSignature, sound } from "./header.js";
import { LIMITS, checkSize, checkTiles } from "./limits.js";
import { ABSENT, DRAWN, type TileEntry } from "./tiles.js";

const MAGIC = [0x89, 0x54, 0x43, 0x58];
const CHUNKED = 0x0d; // what stands behind the magic in files of chunks
const FORM = 2;
const MOST_LENGTH_BYTES = 5;
const MOST_FIELD_BYTES = 64;
const MOST_ENTRY_BYTES = 13;
const KNOWN_FLAGS = 512;
const FIRST_CHANGE = 5;

/** Frame and head of a compact file (docs/format.md, "Compact files"). */
export interface Compact {
  header: Header;
  grid: Grid;
  tiles: TileEntry[];
  /** Crc32 over the payloads of all tiles. */
  dataChecksum: number;
  /** Whether chunks follow the frame; else the payloads do. */
  hasChunks: boolean;
  /** Where the frame ends. */
  end: number;
}

/** Whether a file has the frame of compact ones, of the form that this viewer knows or of one to come. */
export function isCompact(data: Uint8Array): boolean {
  return data.length > 4 && MAGIC.every((byte, i) => data[i] === byte) && data[4] !== CHUNKED;
}

/** Read a file for which `isCompact` holds up to the end of its frame. */
export function readCompact(data: Uint8Array): Compact {
  const { head, end } = readFrame(data);
  const fields = new Fields(head, "The head of the file");
  const { header, hasChunks } = readFields(fields);
  const dataChecksum = fields.u32();
  checkSize(header.width, header.height, "The picture");
  const grid = new Grid(header);
  checkTiles(grid.count);
  return { header, grid, tiles: readEntries(header, grid.count, fields), dataChecksum, hasChunks, end };
}

function readFrame(data: Uint8Array): { head: Uint8Array; end: number } {
  const form = data[4]!;
  try {
    const frame = checkedFrame(data);
    require(form === FORM, "unsupported", `The file has form ${form} and needs a newer decoder.`);
    return frame;
  } catch (error) {
    const isNewer = error instanceof TcxError && error.kind === "unsupported";
    if (form !== FORM && !isNewer) checkSignature(data); // it never was a compact file: says what it is instead
    throw error;
  }
}

function checkedFrame(data: Uint8Array): { head: Uint8Array; end: number } {
  const start = data.subarray(5, 5 + MOST_LENGTH_BYTES);
  const cut = start.length < MOST_LENGTH_BYTES && start.every((byte) => byte >= 128);
  require(!cut, "truncated", "The file ends within the length of its head.");
  const field = new Fields(start, "The frame of the file");
  const length = field.varint();
  require(length <= MOST_FIELD_BYTES + MOST_ENTRY_BYTES * LIMITS.tiles, "corrupt", "The head of the file is too long.");
  const end = 5 + field.position + length;
  require(end + 4 <= data.length, "truncated", `The file ends within its head of ${length} bytes.`);
  const matches = crc32(data.subarray(0, end)) === u32At(data, end);
  require(matches, "corrupt", "The head of the file is damaged: it does not match its checksum.");
  return { head: data.subarray(end - length, end), end: end + 4 };
}

/** The fields of the head before its checksum of the data. */
function readFields(fields: Fields): { header: Header; hasChunks: boolean } {
  const flags = fields.varint();
  require(flags < KNOWN_FLAGS, "unsupported", "The file needs a newer decoder: it sets a flag that is unknown.");
  const has = (bit: number) => ((flags >> bit) & 1) === 1;
  const [hasChunks, hasOrigin, hasCicp] = [has(4), has(5), has(6)];
  const header: Header = {
    version: "1.3", compact: true, noPixels: false, lean: false, fusion: has(1), drawn: has(7),
    width: fields.varint(), height: fields.varint(), channels: has(0) ? 1 : 3, alpha: has(3),
    tile: has(8) ? 512 : has(2) ? 128 : 256, stride: 16, halo: 1, classes: fields.u8(), profile: 2, rate: fields.u8(),
    identity: fields.take(8), cicp: hasCicp ? Array.from(fields.take(4)) : DEFAULT_CICP,
    originX: hasOrigin ? fields.u8() : 0, originY: hasOrigin ? fields.u8() : 0,
  };
  const { width, height, classes, cicp, originX, originY, tile } = header;
  sound(width > 0 && height > 0, "the picture has no pixels");
  sound(classes >= 1 && classes <= 254, "there are 1 to 254 classes");
  sound(!header.alpha || hasChunks, "it announces an alpha plane but no chunks");
  sound(!hasCicp || (cicp[3]! <= 1 && cicp.some((n, i) => n !== DEFAULT_CICP[i])), "its colour code points");
  sound(!hasOrigin || originX + originY > 0, "the origin stands there although it is 0");
  sound(!has(8) || !(has(2) || hasOrigin), "large tiles that are small ones too, or have an origin");
  sound(originX < tile && originY < tile, "the origin is not within a tile");
  return { header, hasChunks };
}

/** The index: an entry for a tile, for a run of absent ones, or for a change of the rate. */
function readEntries(header: Header, count: number, fields: Fields): TileEntry[] {
  const { classes } = header;
  const tiles: TileEntry[] = [];
  const absent = { texture: ABSENT, length: 0, rate: 0, payloadChecksum: undefined, symbolChecksum: undefined };
  let [start, rate] = [0, header.rate];
  let before: "absent" | "change" | "tile" = "tile";
  while (tiles.length < count) {
    const number = fields.varint();
    const n = Math.floor(number / (classes + 1));
    const texture = number % (classes + 1);
    const isClass = texture < classes;
    require(isClass || before !== "change", "corrupt", "The index changes the rate before a tile that has none.");
    if (isClass) {
      require(rate >= 0 && rate <= 255, "corrupt", `The rate index of tile ${tiles.length} is out of range.`);
      tiles.push({ texture, length: n, start, rate, payloadChecksum: undefined, symbolChecksum: undefined });
      start += n;
      before = "tile";
    } else if (n % 2 === 0) {
      require(before !== "absent", "corrupt", "The index has absent tiles that follow each other in two entries.");
      require(n / 2 < count - tiles.length, "corrupt", "The index leaves out more tiles than there are.");
      for (let i = 0; i <= n / 2; i++) tiles.push({ ...absent, start });
      before = "absent";
    } else if (n >= FIRST_CHANGE) {
      const j = (n - FIRST_CHANGE) / 2;
      rate += j % 2 === 0 ? j / 2 + 1 : -(j + 1) / 2;
      before = "change";
    } else {
      require(header.drawn, "corrupt", `Tile ${tiles.length} is drawn, which the head does not announce.`);
      const length = fields.varint();
      const [payloadChecksum, symbolChecksum] = [fields.u32(), fields.u16()];
      tiles.push({ texture: DRAWN, length, start, rate: header.rate + (n - 1) / 2, payloadChecksum, symbolChecksum });
      start += length;
      before = "tile";
    }
  }
  require(fields.rest === 0, "corrupt", "Bytes follow the last entry of the index of the tiles.");
  return tiles;
}
