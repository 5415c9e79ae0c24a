"""nnU-Net's networks, plain and with a residual encoder, planned for a patch size."""

from collections.abc import Sequence

import torch
from monai.networks.nets import DynUNet
from torch import nn

from neurotarget.models.backbone import Backbone
from neurotarget.models.planning import plan_stages, widths
from neurotarget.models.small_grids import guard_small_grids
from neurotarget.shapes import Image, Levels, Logits, times
from neurotarget.types import Triple, TripleVox


class _Planned(Backbone):
    """Shared part: stages for a patch size, and levels of deep supervision."""

    needs_spread = True  # instance norm needs a variance

    def __init__(
        self,
        patch_vox: TripleVox,
        spacing_mm: Triple | None,
        max_levels: int | None,
        *,
        least_levels: int,
        deep_supervision: bool,
    ) -> None:
        super().__init__()
        self.stages = plan_stages(patch_vox, spacing_mm, max_levels=max_levels)
        if (levels := len(self.stages.strides)) < least_levels:
            raise ValueError(
                f"{type(self).__name__}: got patch {times(patch_vox)} and max_levels {max_levels}, "
                f"which leave {levels} of the {least_levels} levels that it needs; set a patch of "
                "16 voxels or more along two axes, or another model"
            )
        self.stride = self.stages.stride
        # as in nnU-Net, neither the bottleneck nor the coarsest decoder level has a loss
        self.num_coarse = max(len(self.stages.strides) - 3, 0) if deep_supervision else 0
        self.deep_supervision = self.num_coarse > 0


class NNUNet(_Planned):
    """nnU-Net's plain network as MONAI's DynUNet: two convolutions per level, strided down.

    Depth, strides and kernels follow from the patch. Deep supervision scores all decoder levels but
    the coarsest, each on its own grid (DynUNet would upsample them). With anisotropic spacing, a
    decoder level has the kernel of the coarser level, unlike in nnU-Net.

    Source: Isensee et al. 2021, doi:10.1038/s41592-020-01008-z.

    Args:
        patch_vox: sides of the training patch.
        spacing_mm: sides of a voxel; by default isotropic.
        max_levels: most levels, at least 3.
        base_width: channels of the finest level, doubled at each coarser one.
        max_width: most channels of a level.
        residual: use residual blocks.
        deep_supervision: in training, also score coarser decoder levels.

    Raises:
        ValueError: the patch or `max_levels` leave fewer than three levels.
    """

    pretrained_with = "MONAI's DynUNet"

    def __init__(
        self,
        in_channels: int,
        num_labels: int,
        *,
        patch_vox: TripleVox,
        spacing_mm: Triple | None = None,
        max_levels: int | None = None,
        base_width: int = 32,
        max_width: int = 320,
        residual: bool = False,
        deep_supervision: bool = True,
    ) -> None:
        super().__init__(
            patch_vox, spacing_mm, max_levels, least_levels=3, deep_supervision=deep_supervision
        )
        kernels, strides = self.stages
        self.net = DynUNet(
            spatial_dims=3,
            in_channels=in_channels,
            out_channels=num_labels,
            kernel_size=kernels,
            strides=strides,
            upsample_kernel_size=strides[1:],
            filters=widths(base_width, len(strides), most=max_width),
            res_block=residual,
            deep_supervision=self.deep_supervision,
            deep_supr_num=max(self.num_coarse, 1),
        )
        # it holds the same modules a second time, and `score` does without it
        del self.net.skip_layers
        guard_small_grids(self)

    def score(self, image: Image) -> Logits | Levels:
        """Score every voxel; with deep supervision in training, also coarser grids."""
        skips, feature = [], image
        for down in (self.net.input_block, *self.net.downsamples):
            feature = down(feature)
            skips.append(feature)
        feature, levels = self.net.bottleneck(feature), []
        for up in self.net.upsamples:  # coarsest first
            feature = up(feature, skips.pop())
            levels.append(feature)
        logits = self.net.output_block(feature)
        if not (self.training and self.deep_supervision):
            return logits
        coarse = levels[-2 : -2 - self.num_coarse : -1]
        heads = self.net.deep_supervision_heads
        return [logits, *(head(level) for head, level in zip(heads, coarse, strict=True))]


class ResEncUNet(_Planned):
    """nnU-Net's network with a residual encoder and one convolution per decoder level.

    nnU-Net's presets M and L are this net; they differ in the memory for planning patch and batch.
    It is built by the package dynamic-network-architectures and initialised as in nnU-Net, with
    residual branches at zero. Depth, strides and kernels follow from the patch.

    Source: Isensee et al. 2024, doi:10.1007/978-3-031-72114-4_47.

    Args:
        patch_vox: sides of the training patch.
        spacing_mm: sides of a voxel; by default isotropic.
        max_levels: most levels, at least 2.
        base_width: channels of the finest level, doubled at each coarser one.
        max_width: most channels of a level.
        blocks: residual blocks of each level, finest first; the last one is repeated.
        deep_supervision: in training, also score all decoder levels but the coarsest.

    Raises:
        ValueError: the package cannot be imported, or there is only one level.
    """

    pretrained_with = "nnU-Net's ResEnc"

    def __init__(
        self,
        in_channels: int,
        num_labels: int,
        *,
        patch_vox: TripleVox,
        spacing_mm: Triple | None = None,
        max_levels: int | None = None,
        base_width: int = 32,
        max_width: int = 320,
        blocks: Sequence[int] = (1, 3, 4, 6, 6, 6),
        deep_supervision: bool = True,
    ) -> None:
        super().__init__(
            patch_vox, spacing_mm, max_levels, least_levels=2, deep_supervision=deep_supervision
        )
        kernels, strides = self.stages
        levels = len(strides)
        self.net = _residual_encoder_unet()(
            input_channels=in_channels,
            n_stages=levels,
            features_per_stage=widths(base_width, levels, most=max_width),
            conv_op=nn.Conv3d,
            kernel_sizes=kernels,
            strides=strides,
            n_blocks_per_stage=[*blocks, *[blocks[-1]] * levels][:levels],
            num_classes=num_labels,
            n_conv_per_stage_decoder=[1] * (levels - 1),
            conv_bias=True,
            norm_op=nn.InstanceNorm3d,
            norm_op_kwargs={"eps": 1e-5, "affine": True},
            nonlin=nn.LeakyReLU,
            nonlin_kwargs={"inplace": True},
            deep_supervision=self.deep_supervision,
        )
        self.net.apply(self.net.initialize)
        _remove_duplicates(self.net, unused=levels - 2 - self.num_coarse)
        guard_small_grids(self)

    def score(self, image: Image) -> Logits | Levels:
        """Score every voxel; with deep supervision in training, also coarser grids."""
        decoder, skips = self.net.decoder, self.net.encoder(image)
        feature, levels = skips.pop(), []
        for lift, stage in zip(decoder.transpconvs, decoder.stages, strict=True):
            feature = stage(torch.cat([lift(feature), skips.pop()], dim=1))
            levels.append(feature)
        scored = 1 + self.num_coarse if self.training else 1
        finest_first = list(zip(decoder.seg_layers, levels, strict=True))[::-1]
        logits = [head(level) for head, level in finest_first[:scored]]
        return logits if scored > 1 else logits[0]


def _residual_encoder_unet() -> type[nn.Module]:
    try:
        from dynamic_network_architectures.architectures.unet import ResidualEncoderUNet
    except (
        ImportError,
        RuntimeError,
    ) as error:  # an incompatible torchvision raises the latter
        raise ValueError(
            "ResEncUNet: the package dynamic-network-architectures cannot be imported "
            f"({error}); pip install dynamic-network-architectures brings it with timm and "
            "torchvision (of the release that fits torch), and with --no-deps without them, which "
            "is enough for this network; or set model=nnunet"
        ) from None  # the message has the innermost error
    return ResidualEncoderUNet


def _remove_duplicates(net: nn.Module, *, unused: int) -> None:
    """Keep each module under one name, and remove unused heads.

    The package registers parts of blocks twice, and the encoder within the decoder; files of
    weights would have them twice, which safetensors refuses.
    """
    net.decoder.encoder = None
    for module in list(net.modules()):
        if hasattr(module, "all_modules"):
            for name in [name for name, _ in module.named_children() if name != "all_modules"]:
                delattr(module, name)
    for index in range(unused):  # coarsest first
        net.decoder.seg_layers[index] = nn.Identity()
