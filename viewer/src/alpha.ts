import { TcxError, require } from "./errors.js";

/** Samples of the alpha plane from the payload of ALPH, width * height bytes (docs/format.md, "ALPH"). */
export async function readAlpha(payload: Uint8Array, width: number, height: number): Promise<Uint8Array> {
  require(payload.length >= 2, "corrupt", "The alpha plane is empty.");
  const method = payload[0];
  if (method === 0) {
    require(payload.length === 2, "corrupt", "An alpha plane of one value has two bytes.");
    return new Uint8Array(width * height).fill(payload[1]!);
  }
  require(method === 1, "corrupt", "The method of the alpha plane is unknown.");
  const rows = await inflate(payload.subarray(1), height * (1 + width));
  const plane = new Uint8Array(width * height);
  for (let y = 0; y < height; y++) {
    const from = y * (1 + width);
    const to = y * width;
    const filter = rows[from];
    require(filter! <= 2, "corrupt", "A row of the alpha plane has an unknown filter.");
    for (let x = 0; x < width; x++) {
      const before = filter === 1 ? (x > 0 ? plane[to + x - 1]! : 0) : filter === 2 && y > 0 ? plane[to + x - width]! : 0;
      plane[to + x] = rows[from + 1 + x]! + before;
    }
  }
  return plane;
}

/** Unpack a zlib stream that must fill `data` and give exactly `size` bytes; stops as soon as it gives more. */
async function inflate(data: Uint8Array, size: number): Promise<Uint8Array> {
  const out = new Uint8Array(size);
  let filled = 0;
  try {
    const stream = new Blob([data as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("deflate"));
    const reader = stream.getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      if (filled + value.length > size) {
        await reader.cancel();
        filled = size + 1;
        break;
      }
      out.set(value, filled);
      filled += value.length;
    }
  } catch {
    throw new TcxError("corrupt", "The alpha plane is damaged: its stream cannot be unpacked.");
  }
  require(filled === size, "corrupt", "The alpha plane does not have the size of the picture.");
  return out;
}
