"""Seconds and memory of a whole reconstruction: `python tests/oracles/qsm_speed.py --threads 2`.

An ellipsoid brain in a head of 256 × 256 × 128 voxels (0.9 × 0.9 × 1.2 mm), one echo, with deep
spheres of iron, field of air outside, and noise; V-SHARP and closed-form L2 by default.
"""

import argparse
import resource
import time

import torch

from neurotarget.physics.dipole import GAMMA_HZ_PER_T, dipole_field
from neurotarget.physics.qsm import QSM

SPACING_MM, B0, FIELD_T = (0.9, 0.9, 1.2), (0.05, 0.1, 0.99), 3.0


def head(shape: tuple[int, int, int]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Susceptibility in ppm relative to tissue, brain, and head without the brain's bone."""
    sides = [(torch.arange(n) - n / 2) * step for n, step in zip(shape, SPACING_MM, strict=True)]
    x, y, z = torch.meshgrid(*sides, indexing="ij")
    brain = (x / 65) ** 2 + (y / 85) ** 2 + (z / 62) ** 2 < 1
    skull = (x / 72) ** 2 + (y / 92) ** 2 + (z / 69) ** 2 < 1
    scalp = (x / 80) ** 2 + (y / 100) ** 2 + (z / 76) ** 2 < 1
    chi = torch.where(scalp, 0.0, 9.4)
    chi[skull & ~brain] = -2.1
    for side in (-1, 1):
        ball = (x - 17 * side) ** 2 + y**2 + (z + 5) ** 2 < 8**2
        chi[ball] = 0.13
    return chi, brain, scalp & ~(skull & ~brain)


def main() -> None:
    """Print the seconds of each repeat and the most memory held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shape", type=int, nargs=3, default=(256, 256, 128))
    parser.add_argument("--te-ms", type=float, nargs="+", default=(20.0,))
    parser.add_argument("--background", default="vsharp")
    parser.add_argument("--inversion", default="l2")
    parser.add_argument("--unwrap", default="laplacian")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--mask", action="store_true", help="give the mask")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    chi, brain, tissue = head(tuple(given.shape))
    field = dipole_field(chi - 9.4, SPACING_MM, B0, pad=False)
    field -= field[brain].mean()
    noise = torch.Generator().manual_seed(0)
    times = [time_ms / 1000 for time_ms in given.te_ms]
    turn = 2 * torch.pi * GAMMA_HZ_PER_T * 1e-6 * FIELD_T
    echoes = []
    for te_s in times:
        signal = torch.polar(tissue.float() * (1 - 5 * te_s), turn * te_s * field)
        parts = [torch.randn(chi.shape, generator=noise) / 40 for _ in range(2)]
        echoes.append(signal + torch.complex(*parts))
    magnitude, phase = torch.stack(echoes).abs().numpy(), torch.stack(echoes).angle().numpy()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    qsm = QSM(unwrap=given.unwrap, background=given.background, inversion=given.inversion)
    for _ in range(given.repeats):
        start = time.perf_counter()
        found = qsm.reconstruct(
            magnitude,
            phase,
            times,
            field_t=FIELD_T,
            spacing_mm=SPACING_MM,
            b0=B0,
            mask=brain.numpy() if given.mask else None,
            device=given.device,
        )
        seconds = time.perf_counter() - start
        iron = (chi == 0.13).numpy() & found.mask
        rest = found.mask & ~iron
        value = found.chi_ppm[iron].mean() - found.chi_ppm[rest].mean()
        print(f"{seconds:.2f} s, iron {value:.3f} of 0.130 ppm, mask {found.mask.mean():.3f}")
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{given.shape} on {given.threads} threads; most memory {most:.2f} GB, {before:.2f} before"
    )


if __name__ == "__main__":
    main()
