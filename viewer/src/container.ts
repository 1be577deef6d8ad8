import { Fields, crc32, u32At } from "./bytes.js";
import { isCompact, readCompact } from "./compact.js";
import { TcxError, require } from "./errors.js";
import { Grid } from "./grid.js";
import { type Header, checkSignature, readHeader } from "./header.js";
import { type Profile, readProfile } from "./icc.js";
import { LIMITS, checkSize, checkTiles } from "./limits.js";
import { type TileEntry, readIndex, readLeanTile } from "./tiles.js";

const CRITICAL = ["THDR", "TIDX", "TDAT", "ALPH", "FEAT", "TEND"];
const ANCILLARY = ["feat", "iccp", "exif", "xmpd", "text", "prev", "psum", "crop"];
const KNOWN = [...CRITICAL, ...ANCILLARY];
const ONCE = KNOWN.filter((type) => type !== "FEAT" && type !== "feat");

/** Chunks that never stand in compact files, whose head takes their place. */
const NOT_COMPACT = ["THDR", "TIDX", "FEAT"];

const isCritical = (type: string) => type.charCodeAt(0) < 0x60;

/** The bytes of a file taken apart: the chapters "Chunks" to "TEND", "Reading" and "Salvage" of docs/format.md. */
export class Container {
  readonly header: Header;
  readonly grid: Grid;
  /** One for each tile of the grid; empty in a file without pixels. */
  tiles: TileEntry[] = [];
  /** Payloads of ancillary chunks by type, the first one where a type repeats. */
  readonly chunks = new Map<string, Uint8Array>();
  /** Payloads of the feature streams, each with its identity in front. */
  readonly streams: Uint8Array[] = [];
  alpha: Uint8Array | undefined;
  /** What salvage overlooked, in sentences; damaged tiles are not among them. */
  readonly problems: string[] = [];
  private dataOffset: number | undefined;
  private readonly seen = new Set<string>(["THDR"]);
  private ancillaryBytes = 0;
  private hasIndex = false;
  private dataChecksum: number | undefined;
  private soundData: boolean | undefined;
  private readProfile: Profile | undefined;

  constructor(
    readonly data: Uint8Array,
    readonly salvage = false,
  ) {
    if (isCompact(data)) {
      const compact = readCompact(data);
      this.header = compact.header;
      this.grid = compact.grid;
      this.tiles = compact.tiles;
      this.dataChecksum = compact.dataChecksum;
      this.hasIndex = true;
      if (compact.hasChunks) {
        this.readChunks(compact.end);
        this.checkComplete();
      } else {
        this.placeData(compact.end);
      }
      return;
    }
    checkSignature(data);
    const { type, payload, end } = this.chunk(8);
    require(type === "THDR", "corrupt", `The first chunk is ${type} and not THDR.`);
    const fields = new Fields(payload, "The header");
    this.header = readHeader(fields);
    checkSize(this.header.width, this.header.height, "The picture");
    this.grid = new Grid(this.header);
    checkTiles(this.grid.count);
    if (this.header.lean) {
      this.readLean(fields, end);
    } else {
      require(fields.rest === 0, "corrupt", "Bytes follow the last field of the header.");
      this.readChunks(end);
      this.checkComplete();
    }
  }

  /** The payload of a tile, its checksum verified; empty for an absent one. */
  payload(index: number): Uint8Array {
    const tile = this.tiles[index];
    if (!tile) throw new TcxError("argument", `There is no tile ${index}; the picture has ${this.tiles.length}.`);
    if (this.dataOffset === undefined) {
      throw new TcxError("truncated", `Tile ${index} is missing, as the file ends before its tiles.`, index);
    }
    const start = this.dataOffset + tile.start;
    if (start + tile.length > this.data.length) {
      throw new TcxError("truncated", `The file ends before tile ${index} does.`, index);
    }
    const payload = this.data.subarray(start, start + tile.length);
    if (tile.payloadChecksum !== undefined) {
      const number = new Uint8Array([index & 255, (index >> 8) & 255, (index >> 16) & 255, 0]);
      if (crc32(payload, crc32(number)) !== tile.payloadChecksum) {
        throw new TcxError("corrupt", `Tile ${index} is damaged: its bytes do not match their checksum.`, index);
      }
    }
    return payload;
  }

  /**
   * Whether the payloads of all tiles together match their checksum, which only compact files have; in others, and where
   * salvage found no tiles, there is nothing to contradict.
   */
  get dataIsSound(): boolean {
    this.soundData ??= this.compareData();
    return this.soundData;
  }

  /** The file's ICC profile, if it has one. */
  get profile(): Profile | undefined {
    const data = this.chunks.get("iccp");
    if (data) this.readProfile ??= readProfile(data, this.header.channels);
    return this.readProfile;
  }

  private compareData(): boolean {
    if (this.dataChecksum === undefined || this.dataOffset === undefined) return true;
    const data = this.data.subarray(this.dataOffset, this.dataOffset + this.total);
    return data.length === this.total && crc32(data) === this.dataChecksum;
  }

  /** The payloads of a compact file without chunks, with which it ends. */
  private placeData(start: number): void {
    this.dataOffset = start;
    const more = this.data.length - start - this.total;
    if (more === 0) return;
    const problem = more > 0 ? `${more} bytes follow the end of the file's contents.` : "The file ends within its tiles.";
    if (!this.salvage) throw new TcxError(more > 0 ? "corrupt" : "truncated", problem);
    this.problems.push(problem);
  }

  private head(offset: number): { type: string; length: number } {
    require(offset + 8 <= this.data.length, "truncated", `The file ends at byte ${this.data.length}, before its last chunk.`);
    const type = this.typeAt(offset);
    require(/^[A-Za-z]{4}$/.test(type), "corrupt", `There is no chunk at byte ${offset}, where one must be.`);
    return { type, length: u32At(this.data, offset + 4) };
  }

  private typeAt(offset: number): string {
    return String.fromCharCode(...this.data.subarray(offset, offset + 4));
  }

  private checkFits(type: string, end: number): void {
    require(end <= this.data.length, "truncated", `The file ends within its chunk ${type}, before byte ${end}.`);
  }

  /** A chunk with a checksum, verified. */
  private chunk(offset: number): { type: string; payload: Uint8Array; end: number } {
    const { type, length } = this.head(offset);
    const end = offset + 8 + length;
    this.checkFits(type, end + 4);
    const sound = crc32(this.data.subarray(offset, end)) === u32At(this.data, end);
    require(sound, "corrupt", `Chunk ${type} is damaged: it does not match its checksum.`);
    return { type, payload: this.data.subarray(offset + 8, end), end: end + 4 };
  }

  private checkEnd(end: number): void {
    const more = this.data.length - end;
    require(more === 0, "corrupt", `${more} bytes follow the end of the file's contents.`);
  }

  private readLean(fields: Fields, end: number): void {
    if (this.header.noPixels) {
      const stream = new Uint8Array(16 + fields.rest);
      stream.set(this.header.identity);
      stream.set(fields.take(fields.rest), 16);
      this.streams.push(stream);
    } else {
      require(this.grid.count === 1, "corrupt", "A lean file has several tiles.");
      this.tiles = [readLeanTile(this.header, fields)];
      this.dataOffset = end - 4 - fields.rest;
      this.hasIndex = true;
    }
    this.checkEnd(end);
  }

  private readChunks(start: number): void {
    let next: number | undefined = start;
    while (next !== undefined) {
      const offset: number = next;
      try {
        next = this.readChunk(offset);
      } catch (error) {
        const given = error instanceof TcxError && (error.kind === "corrupt" || error.kind === "truncated");
        if (!given || !this.salvage || (!this.header.noPixels && !this.hasIndex)) throw error;
        this.problems.push(error.message);
        next = this.afterDamage(offset);
      }
    }
  }

  /** Take in the chunk at `offset`; gives the next one's offset, or nothing behind TEND. */
  private readChunk(offset: number): number | undefined {
    const { type, length } = this.head(offset);
    const belongs = !this.header.compact || !NOT_COMPACT.includes(type);
    require(belongs, "corrupt", `Chunk ${type} stands in a compact file, where none may be.`);
    if (type === "TDAT") return this.locateData(offset, length);
    if (type === "TIDX" || type === "ALPH") this.checkAnnounced(type, length);
    if (!isCritical(type)) {
      this.checkFits(type, offset + 12 + length);
      require(this.ancillaryBytes + length <= LIMITS.ancillaryBytes, "limit", "The file has too much metadata.");
    }
    const { payload, end } = this.chunk(offset);
    require(!ONCE.includes(type) || !this.seen.has(type), "corrupt", `Chunk ${type} stands twice in the file.`);
    this.seen.add(type);
    if (type === "TEND") {
      require(payload.length === 0, "corrupt", "Chunk TEND is not empty.");
      this.checkEnd(end);
      return undefined;
    }
    if (type === "TIDX") {
      this.tiles = readIndex(this.header, this.grid.count, payload);
      this.hasIndex = true;
    } else if (type === "ALPH") {
      this.alpha = payload;
    } else if (type === "FEAT" || type === "feat") {
      require((type === "FEAT") === this.header.noPixels, "corrupt", `Chunk ${type} does not fit this kind of file.`);
      this.streams.push(payload);
    } else {
      require(!isCritical(type), "unsupported", `The file has a chunk ${type}, which needs a newer decoder.`);
      if (!this.chunks.has(type)) this.chunks.set(type, payload);
    }
    if (!isCritical(type)) this.ancillaryBytes += length;
    return end;
  }

  private checkAnnounced(type: string, length: number): void {
    const { header } = this;
    const announced = type === "TIDX" ? !header.noPixels : header.alpha;
    require(announced, "corrupt", `The file has a chunk ${type} that its header does not announce.`);
    const most = type === "TIDX" ? 13 * this.grid.count : 2 * header.width * header.height + 1024;
    const least = type === "TIDX" ? this.grid.count : 0;
    require(length >= least && length <= most, "corrupt", `Chunk ${type} has a length that cannot be right.`);
  }

  private get total(): number {
    return this.tiles.reduce((sum, tile) => sum + tile.length, 0);
  }

  private locateData(offset: number, length: number): number {
    require(this.hasIndex && !this.seen.has("TDAT"), "corrupt", "Chunk TDAT stands where none may be.");
    require(length === this.total, "corrupt", `The index describes ${this.total} bytes of tiles, chunk TDAT has ${length}.`);
    this.seen.add("TDAT");
    this.dataOffset = offset + 8;
    const end = this.dataOffset + length;
    require(end <= this.data.length, "truncated", "The file ends within its tiles.");
    return end;
  }

  private checkComplete(): void {
    const { noPixels, alpha, compact } = this.header;
    const wanted: [string, boolean][] = [["FEAT", noPixels], ["TIDX", !noPixels && !compact], ["TDAT", !noPixels], ["ALPH", alpha]];
    for (const [type, needed] of wanted) {
      if (!needed || this.seen.has(type)) continue;
      const problem = `The file has no chunk ${type}.`;
      require(this.salvage, "corrupt", problem);
      this.problems.push(problem);
    }
  }

  /** Where to go on behind the damaged chunk at `offset`; nowhere if nothing more can be found. */
  private afterDamage(offset: number): number | undefined {
    const { data, total } = this;
    const placed = this.seen.has("TDAT");
    if (data.length - offset < 8 || (placed && offset < (this.dataOffset ?? 0))) return undefined;
    const found = placed || this.header.noPixels ? undefined : this.findData(offset, total);
    const length = u32At(data, offset + 4);
    const type = this.typeAt(offset);
    const following = offset + 8 + length + (type === "TDAT" ? 0 : 4);
    const fits = type !== "TDAT" && following + 8 <= data.length && (found === undefined || following <= found);
    if (fits && KNOWN.includes(this.typeAt(following))) return following;
    if (found === undefined && !placed && !this.header.noPixels && (type === "TDAT" || length === total)) {
      this.seen.add("TDAT"); // one field of TDAT is damaged, the other one names it
      this.dataOffset = offset + 8;
      return offset + 8 + total <= data.length ? offset + 8 + total : undefined;
    }
    return found;
  }

  private findData(from: number, total: number): number | undefined {
    for (let at = from; at + 8 <= this.data.length; at++) {
      if (this.data[at] === 0x54 && this.typeAt(at) === "TDAT" && u32At(this.data, at + 4) === total) return at;
    }
    return undefined;
  }
}
