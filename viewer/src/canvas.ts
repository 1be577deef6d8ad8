import type { Box } from "./grid.js";
import type { Picture } from "./file.js";

/** Takes parts of a region at full size and gives the region at 1 / `factor` of it, each pixel a mean. */
export class Canvas {
  private readonly width: number;
  private readonly height: number;
  private readonly data: Uint8ClampedArray;
  /** Sums of colour times alpha, and of alpha, for each pixel of the result; only if it is smaller. */
  private readonly sums: Float64Array | undefined;

  constructor(
    private readonly box: Box,
    private readonly factor: number,
  ) {
    this.width = Math.ceil((box.right - box.left) / factor);
    this.height = Math.ceil((box.bottom - box.top) / factor);
    this.data = new Uint8ClampedArray(4 * this.width * this.height);
    if (factor > 1) this.sums = new Float64Array(4 * this.width * this.height);
  }

  /** Add a part, samples R, G, B, A. */
  put(part: Box, samples: Uint8ClampedArray): void {
    const [width, height] = [part.right - part.left, part.bottom - part.top];
    const [left, top] = [part.left - this.box.left, part.top - this.box.top];
    if (!this.sums) {
      for (let y = 0; y < height; y++) {
        this.data.set(samples.subarray(4 * y * width, 4 * (y + 1) * width), 4 * ((top + y) * this.width + left));
      }
      return;
    }
    for (let y = 0, from = 0; y < height; y++) {
      const row = Math.floor((top + y) / this.factor) * this.width;
      for (let x = 0; x < width; x++, from += 4) {
        const to = 4 * (row + Math.floor((left + x) / this.factor));
        const alpha = samples[from + 3]!;
        for (let channel = 0; channel < 3; channel++) this.sums[to + channel]! += samples[from + channel]! * alpha;
        this.sums[to + 3]! += alpha;
      }
    }
  }

  finish(): Picture {
    const { data, width, height, sums, factor } = this;
    if (sums) {
      const [fullWidth, fullHeight] = [this.box.right - this.box.left, this.box.bottom - this.box.top];
      for (let y = 0, to = 0; y < height; y++) {
        const rows = Math.min(factor, fullHeight - y * factor);
        for (let x = 0; x < width; x++, to += 4) {
          const count = rows * Math.min(factor, fullWidth - x * factor);
          const alpha = sums[to + 3]!;
          for (let channel = 0; channel < 3; channel++) data[to + channel] = alpha > 0 ? sums[to + channel]! / alpha : 0;
          data[to + 3] = alpha / count;
        }
      }
    }
    return { data, width, height };
  }
}
