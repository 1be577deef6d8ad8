"""What training for another distortion changes: rate, PSNR and MS-SSIM of open trainings on held-out crops.

    python benchmarks/distortions.py PICTURES --training models/next --training FOLDER ... [--crops 12]

codes crops of 256 x 256 pixels as tiles of their own, at a few rate indices, with the moving average of each training,
and prints a table and BD-rates against the first. PICTURES are all pictures that are trained on: one in ten is held
out, as by the training. Rates are those that the networks promise.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from pytorch_msssim import ms_ssim

from texcodec.evaluation.bdrate import bd_rate
from texcodec.evaluation.curves import Curve
from texcodec.evaluation.metrics import MS_SSIM, PSNR
from texcodec.evaluation.report_markdown import table_text
from texcodec.training.pictures.architecture import RATE_INDICES
from texcodec.training.pictures.codec import Codec
from texcodec.training.pictures.files import list_pictures, split_held_out
from texcodec.training.pictures.held_out import SIDE, HeldOutCrops, held_out_crops
from texcodec.training.pictures.open_training import CHECKPOINT
from texcodec.training.pictures.portable import portable_steps, read_portable
from texcodec.training.pictures.settings import ClassSettings
from texcodec.training.pictures.work_folder import codec_of

BATCH = 4


@torch.no_grad()
def curve(name: str, codec: Codec, crops: HeldOutCrops, indices: list[int]) -> Curve:
    """Means over the crops at each rate index."""
    rates: list[float] = []
    values: dict[str, list[float | None]] = {PSNR.key: [], MS_SSIM.key: []}
    for index in indices:
        found = []
        for part in torch.arange(len(crops.pixels)).split(BATCH):
            x = crops.pixels[part].float()
            t = torch.full((len(part),), index / (RATE_INDICES - 1))
            coded = codec(x, t, crops.classes[part], halo=True, rounding="hard")
            shown = coded.pixels.round().clamp(0, 255)
            error = (shown - x).square().mean((1, 2, 3))
            similarity = ms_ssim(shown, x, data_range=255, size_average=False)
            psnr = 10 * torch.log10(255.0**2 / error)
            found.append(torch.stack([coded.bits / SIDE**2, psnr, similarity]))
        rate, decibels, similar = torch.cat(found, 1).mean(1).tolist()
        print(f"{name}, rate index {index}: {rate:.4f}, {decibels:.3f}, {similar:.5f}", flush=True)
        rates.append(rate)
        values[PSNR.key].append(decibels)
        values[MS_SSIM.key].append(similar)
    return Curve(name, rates, values)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--training", type=Path, action="append", required=True)
    parser.add_argument("--crops", type=int, default=12)
    parser.add_argument("--rates", default="60,110,160,210", help="rate indices")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    _, held_out = split_held_out(list_pictures(options.pictures), 10)
    crops = held_out_crops(held_out, ClassSettings().thresholds, draws=1, crops=options.crops)
    if crops is None:
        parser.error("there is no held-out picture to cut crops from")
    indices = [int(text) for text in options.rates.split(",")]
    curves = []
    for folder in options.training:
        file = folder / CHECKPOINT
        name = f"{folder.name}, {portable_steps(file)} steps"
        curves.append(curve(name, codec_of(read_portable(file), file).eval(), crops, indices))
    rows = [
        [c.name, str(i), f"{r:.3f}", f"{p:.2f}", f"{s:.4f}"]
        for c in curves
        for i, r, p, s in zip(indices, c.rates, c.values[PSNR.key], c.values[MS_SSIM.key])
    ]
    print(table_text(["training", "rate index", "bits per pixel", "PSNR, dB", "MS-SSIM"], rows))
    first = curves[0]
    rows = [
        [c.name, *(_shown(bd_rate(first, c, metric, (0.01, 10))) for metric in (MS_SSIM, PSNR))]
        for c in curves[1:]
    ]
    print(table_text([f"BD-rate against {first.name}", "MS-SSIM", "PSNR"], rows))


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:+.1f} %"


if __name__ == "__main__":
    main()
