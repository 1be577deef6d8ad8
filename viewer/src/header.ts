import { Fields, isZero } from "./bytes.js";
import { TcxError, require } from "./errors.js";

/** THDR, or the head of a compact file (docs/format.md). Sizes in pixels, `halo` in latent positions. */
export interface Header {
  version: string;
  compact: boolean;
  noPixels: boolean;
  lean: boolean;
  fusion: boolean;
  drawn: boolean;
  width: number;
  height: number;
  channels: 1 | 3;
  alpha: boolean;
  tile: number;
  stride: number;
  halo: number;
  classes: number;
  /** Entropy profile; 0 in a file without a model set. */
  profile: number;
  rate: number;
  /** Of the decoder that the tiles need: 16 bytes, or the first 8 of them in a compact file. */
  identity: Uint8Array;
  cicp: readonly number[];
  originX: number;
  originY: number;
}

export const DEFAULT_CICP = [1, 13, 0, 1] as const;
const PROFILE = 1; // that of chunked files; those of profile 2 are compact

/** Check what a sum of rules says about a header: corrupt unless it holds. */
export function sound(holds: boolean, what: string): asserts holds {
  require(holds, "corrupt", `The header is not sound: ${what}.`);
}

function supported(holds: boolean, what: string): asserts holds {
  require(holds, "unsupported", `The file needs a newer decoder: ${what}.`);
}

/** Read the fields of THDR from the front of its payload. */
export function readHeader(fields: Fields): Header {
  const major = fields.u8();
  supported(major === 1, `it has version ${major} of the format`);
  const minor = fields.u8();
  const flags = fields.u8();
  supported(flags < 64, "it sets a flag that is unknown");
  const [noPixels, lean, fusion, hasCicp, hasOrigin, drawn] = [0, 1, 2, 3, 4, 5].map((bit) => ((flags >> bit) & 1) === 1) as
    [boolean, boolean, boolean, boolean, boolean, boolean];
  const width = fields.varint();
  const height = fields.varint();
  const pixel = fields.u8();
  const grid = fields.u8();
  const border = fields.u8();
  const classes = fields.u8();
  const profile = fields.u8();
  const rate = fields.varint();
  const identity = fields.take(16);
  const cicp: readonly number[] = hasCicp ? Array.from(fields.take(4)) : DEFAULT_CICP;
  const originX = hasOrigin ? fields.u8() : 0;
  const originY = hasOrigin ? fields.u8() : 0;
  const channels = (pixel & 3) + 1;
  const alphaMode = (pixel >> 2) & 3;
  const tile = 1 << (grid & 15);
  const stride = 1 << (grid >> 4);
  const halo = border & 15;
  supported(pixel >> 4 === 7, `its samples have ${(pixel >> 4) + 1} bits`);
  supported(alphaMode <= 1, "its alpha mode is unknown");
  supported(border < 16, "its orientation is unknown");
  if (drawn && profile === 0) {
    supported(tile >= 128 && tile <= 2048, `its tiles have ${tile} pixels a side`);
    const plain = isZero(identity) && !fusion && border === 0 && rate === 0 && classes === 1 && stride === 16;
    sound(plain, "it names a model set, but the file has none");
  } else {
    supported(tile === 128 || tile === 256, `its tiles have ${tile} pixels a side`);
    supported(profile === PROFILE, `its entropy profile is ${profile}`);
  }
  sound(width > 0 && height > 0, "the picture has no pixels");
  sound(channels === 1 || channels === 3, "a picture has 1 or 3 channels");
  sound(stride <= tile && halo * stride <= tile, "stride or halo are larger than a tile");
  sound(classes >= 1 && classes <= 254, "there are 1 to 254 classes");
  sound(rate <= 65535, "the rate index is beyond 65535");
  sound(!hasCicp || (cicp[3]! <= 1 && cicp.some((n, i) => n !== DEFAULT_CICP[i])), "its colour code points");
  sound(!hasOrigin || originX + originY > 0, "the origin stands there although it is 0");
  sound(originX < tile && originY < tile, "the origin is not within a tile");
  if (noPixels) {
    sound(alphaMode === 0 && !fusion && !drawn, "a file without pixels has settings of pixels");
    sound(lean || isZero(identity), "a file without pixels names a model set");
  }
  sound(!(lean && alphaMode > 0), "a lean file has no alpha plane");
  return {
    version: `${major}.${minor}`, compact: false, noPixels, lean, fusion, drawn, width, height, channels: channels as 1 | 3,
    alpha: alphaMode === 1, tile, stride, halo, classes, profile, rate, identity, cicp, originX, originY,
  };
}

/** Name the kinds of damage that the signature is made to show. */
export function checkSignature(data: Uint8Array): void {
  const wanted = [0x89, 0x54, 0x43, 0x58, 0x0d, 0x0a, 0x1a, 0x0a];
  if (data.length >= 8 && wanted.every((byte, i) => data[i] === byte)) return;
  if (data.length === 0) throw new TcxError("truncated", "The file is empty.");
  if (data.length < 8 && Array.from(data).every((byte, i) => byte === wanted[i])) {
    throw new TcxError("truncated", "The file ends within its signature.");
  }
  const isName = data[1] === 0x54 && data[2] === 0x43 && data[3] === 0x58;
  if (isName && data[0] === 0x09) throw new TcxError("corrupt", "The file was damaged by a transfer of seven bits.");
  if (isName && data[0] === 0x89 && (data[4] === 0x0a || data[4] === 0x0d)) {
    throw new TcxError("corrupt", "The file was damaged by a conversion of line ends: it was transferred as text.");
  }
  throw new TcxError("corrupt", isName ? "The file is damaged at its beginning." : "This is not a .tcx file.");
}
