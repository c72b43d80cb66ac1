"""Networks that read images."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from tests.compiler.networks_basic import Inputs, Net, batch_norm, network, rows


class Residual(nn.Module):
    """Two convolutions and a shortcut, as in ResNet; the second convolution is grouped."""

    def __init__(self, narrow: int, wide: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(narrow, wide, 3, stride, 1, bias=False)
        self.bn1 = batch_norm(nn.BatchNorm2d, wide)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(wide, wide, 3, 1, 1, groups=2, bias=False)
        self.bn2 = batch_norm(nn.BatchNorm2d, wide)
        self.downsample = None
        if stride > 1:
            short = nn.Conv2d(narrow, wide, 1, stride, bias=False)
            self.downsample = nn.Sequential(short, batch_norm(nn.BatchNorm2d, wide))

    def forward(self, x: Tensor) -> Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        out += identity
        return self.relu(out)


class VisionTransformer(nn.Module):
    """Patches by a convolution, a class token, encoder blocks."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_proj = nn.Conv2d(1, 4, 2, 2)
        self.class_token = nn.Parameter(torch.randn(1, 1, 4))
        self.pos_embedding = nn.Parameter(torch.randn(1, 5, 4))
        layer = nn.TransformerEncoderLayer(4, 2, 6, activation="gelu", batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.ln, self.head = nn.LayerNorm(4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        patches = self.conv_proj(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.class_token.expand(x.shape[0], -1, -1), patches], dim=1)
        return self.head(self.ln(self.encoder(tokens + self.pos_embedding))[:, 0])


@network
def resnet() -> tuple[nn.Module, Inputs]:
    return nn.Sequential(
        nn.Conv2d(2, 2, 3, 1, 1), nn.ReLU(inplace=True), nn.MaxPool2d(2, 2),
        Residual(2, 2, 1), Residual(2, 4, 2),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(1), nn.Linear(4, 2),
    ), rows(2, 6, 6)  # fmt: skip


@network
def vision_transformer() -> tuple[nn.Module, Inputs]:
    return VisionTransformer(), rows(1, 4, 4)


@network
def autoencoder() -> tuple[nn.Module, Inputs]:
    """Down and up again, with a skip connection, as in U-Net, and other kinds of normalisation."""

    def run(net: Any, x: Tensor) -> Tensor:
        down = F.silu(net.gn(net.down(x)))
        up = net.up(F.leaky_relu(net.norm(net.deep(F.avg_pool2d(down, 2)))))
        return net.out(torch.cat([down, up], dim=1))

    return Net(
        run, down=nn.Conv2d(1, 4, 3, 1, 1), gn=nn.GroupNorm(2, 4), deep=nn.Conv2d(4, 4, 1),
        norm=nn.InstanceNorm2d(4), up=nn.ConvTranspose2d(4, 2, 2, 2), out=nn.Conv2d(6, 1, 1),
    ), rows(1, 4, 4)  # fmt: skip


@network
def separable() -> tuple[nn.Module, Inputs]:
    """Depthwise and dilated convolutions, squeeze-and-excitation, upsampling."""

    def run(net: Any, x: Tensor) -> Tensor:
        hidden = F.hardswish(net.point(net.depth(x)))
        gate = torch.sigmoid(net.gate(hidden.mean((2, 3))))
        return F.interpolate(net.wide(hidden * gate[:, :, None, None]), scale_factor=2)

    return Net(
        run, depth=nn.Conv2d(2, 2, 3, padding=1, groups=2), point=nn.Conv2d(2, 4, 1),
        gate=nn.Linear(4, 4), wide=nn.Conv2d(4, 1, 3, padding=2, dilation=2),
    ), rows(2, 4, 4)  # fmt: skip


@network
def half_convolutions() -> tuple[nn.Module, Inputs]:
    net = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(2, 2)
    )
    return net.half(), rows(1, 4, 4).half()
