import { TcxError, require } from "./errors.js";

/** Takes little-endian numbers from the front of some bytes; running out of them makes the file corrupt. */
export class Fields {
  position = 0;
  private readonly view: DataView;

  constructor(
    readonly data: Uint8Array,
    private readonly what: string,
  ) {
    this.view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  }

  get rest(): number {
    return this.data.length - this.position;
  }

  private advance(size: number): number {
    require(this.position + size <= this.data.length, "corrupt", `${this.what} is too short for its fields.`);
    this.position += size;
    return this.position - size;
  }

  take(size: number): Uint8Array {
    const start = this.advance(size);
    return this.data.subarray(start, start + size);
  }

  u8(): number {
    return this.view.getUint8(this.advance(1));
  }

  i8(): number {
    return this.view.getInt8(this.advance(1));
  }

  u16(): number {
    return this.view.getUint16(this.advance(2), true);
  }

  u32(): number {
    return this.view.getUint32(this.advance(4), true);
  }

  /** Unsigned LEB128 below 2^32 in its shortest form. */
  varint(): number {
    let value = 0;
    for (let index = 0; index < 5; index++) {
      const byte = this.u8();
      value += (byte & 127) * 2 ** (7 * index);
      if (byte < 128) {
        require(byte > 0 || index === 0, "corrupt", `${this.what} holds a number that is not in its shortest form.`);
        require(value < 2 ** 32, "corrupt", `${this.what} holds a number beyond 2^32.`);
        return value;
      }
    }
    throw new TcxError("corrupt", `${this.what} holds a number of more than 5 bytes.`);
  }
}

const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let bit = 0; bit < 8; bit++) n = n & 1 ? 0xedb88320 ^ (n >>> 1) : n >>> 1;
  return n >>> 0;
});

/** CRC-32 as in PNG; `before` is that of the bytes in front, so that parts can be chained. */
export function crc32(data: Uint8Array, before = 0): number {
  let crc = ~before;
  for (let i = 0; i < data.length; i++) crc = CRC_TABLE[(crc ^ data[i]!) & 255]! ^ (crc >>> 8);
  return ~crc >>> 0;
}

export function hex(data: Uint8Array): string {
  return Array.from(data, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The bytes of a typed array, without a copy. */
export function bytesOf(array: ArrayBufferView): Uint8Array {
  return new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
}

/** Little-endian u32 at `offset`. */
export function u32At(data: Uint8Array, offset: number): number {
  return (data[offset]! | (data[offset + 1]! << 8) | (data[offset + 2]! << 16) | (data[offset + 3]! << 24)) >>> 0;
}

export function isZero(data: Uint8Array): boolean {
  return data.every((byte) => byte === 0);
}
