"""Floating-point precision by hardware."""

import torch


def precision_for(requested: str, accelerator: str) -> str:
    """`bf16-mixed` on hardware with fast bfloat16, else `32-true`.

    Args:
        requested: `auto`, or a precision of Lightning's, which is kept.
        accelerator: `cpu`, or another one of Lightning's, where a GPU is asked whether it has
            bfloat16.
    """
    if requested != "auto":
        return requested
    on_gpu = accelerator not in ("cpu",) and torch.cuda.is_available()
    # without emulation, which is slower than float32 on older GPUs
    has = torch.cuda.is_bf16_supported(including_emulation=False) if on_gpu else cpu_has_bf16()
    return "bf16-mixed" if has else "32-true"


def cpu_has_bf16() -> bool:
    """Return whether oneDNN runs bfloat16 on this processor at speed."""
    return bool(
        torch.backends.mkldnn.is_available() and torch.ops.mkldnn._is_mkldnn_bf16_supported()
    )
