import { crc32 } from "./bytes.js";
import { TcxError, require } from "./errors.js";
import type { TileEntry } from "./tiles.js";
import { decodeWebp } from "./webp.js";

/** Samples of a drawn tile, height x width x channels, checked (docs/format.md, "Drawn tiles"). */
export async function decodeDrawn(
  tile: TileEntry,
  payload: Uint8Array,
  width: number,
  height: number,
  channels: number,
  index: number,
): Promise<Uint8Array> {
  try {
    const samples = await samplesOf(payload, width, height, channels);
    const sound = (crc32(samples) & 0xffff) === tile.symbolChecksum;
    require(sound, "corrupt", "its samples do not match their checksum.");
    return samples;
  } catch (error) {
    if (!(error instanceof TcxError)) throw error;
    throw new TcxError(error.kind, `Tile ${index} is damaged: ${error.message}`, index);
  }
}

async function samplesOf(payload: Uint8Array, width: number, height: number, channels: number): Promise<Uint8Array> {
  const size = width * height * channels;
  const rest = payload.subarray(1);
  switch (payload[0]) {
    case 0: {
      require(rest.length === channels, "corrupt", "a drawn tile of one colour has another length.");
      return Uint8Array.from({ length: size }, (_, i) => rest[i % channels]!);
    }
    case 1:
      require(rest.length === size, "corrupt", "a drawn tile of plain samples has another length.");
      return rest;
    case 2: {
      const rgba = await decodeWebp(webpFile(rest, width, height), width, height);
      const out = new Uint8Array(size);
      let grey = true;
      for (let from = 0, to = 0; from < rgba.length; from += 4) {
        for (let channel = 0; channel < channels; channel++) out[to++] = rgba[from + channel]!;
        grey &&= rgba[from] === rgba[from + 1] && rgba[from] === rgba[from + 2];
      }
      require(channels === 3 || grey, "corrupt", "a grey tile holds colours.");
      return out;
    }
    default:
      throw new TcxError("corrupt", "the method of a drawn tile is unknown.");
  }
}

/** A payload with the headers in front that the format leaves out. */
function webpFile(rest: Uint8Array, width: number, height: number): Uint8Array {
  const stream = rest.length + 5;
  const file = new Uint8Array(20 + stream + (stream % 2));
  const view = new DataView(file.buffer);
  const text = (at: number, letters: string) => [...letters].forEach((c, i) => (file[at + i] = c.charCodeAt(0)));
  text(0, "RIFF");
  view.setUint32(4, 12 + stream + (stream % 2), true);
  text(8, "WEBPVP8L");
  view.setUint32(16, stream, true);
  file[20] = 0x2f;
  view.setUint32(21, (width - 1) | ((height - 1) << 14), true);
  file.set(rest, 25);
  return file;
}
