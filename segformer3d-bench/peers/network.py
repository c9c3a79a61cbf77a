"""SegFormer3D's default network in PyTorch, written from its mathematics (docs and paper arXiv 2404.10156).

The parameters have the published names, so that one file of weights serves every contender.
"""

import torch
from torch import nn
from torch.nn import functional as F


class Attention(nn.Module):
    def __init__(self, width, heads, ratio):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.proj = nn.Linear(width, width)
        self.ratio = ratio
        if ratio > 1:
            self.sr = nn.Conv3d(width, width, ratio, ratio)
            self.sr_norm = nn.LayerNorm(width)

    def forward(self, x, size):
        b, n, c = x.shape
        q = self.query(x).reshape(b, n, self.heads, c // self.heads).transpose(1, 2)
        y = x
        if self.ratio > 1:
            y = self.sr(x.transpose(1, 2).reshape(b, c, *size))
            y = self.sr_norm(y.flatten(2).transpose(1, 2))
        k, v = self.key_value(y).reshape(b, -1, 2, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        weights = (q @ k.transpose(-2, -1) * (c // self.heads) ** -0.5).softmax(-1)
        return self.proj((weights @ v).transpose(1, 2).reshape(b, n, c))


class DepthWise(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.dwconv = nn.Conv3d(width, width, 3, 1, 1, groups=width)
        self.bn = nn.BatchNorm3d(width)

    def forward(self, x, size):
        b, n, c = x.shape
        return self.bn(self.dwconv(x.transpose(1, 2).reshape(b, c, *size))).flatten(2).transpose(1, 2)


class MixFeedForward(nn.Module):
    def __init__(self, width, ratio):
        super().__init__()
        self.fc1 = nn.Linear(width, ratio * width)
        self.dwconv = DepthWise(ratio * width)
        self.fc2 = nn.Linear(ratio * width, width)

    def forward(self, x, size):
        return self.fc2(F.gelu(self.dwconv(self.fc1(x), size)))


class Block(nn.Module):
    def __init__(self, width, heads, reduction, ratio):
        super().__init__()
        self.norm1 = nn.LayerNorm(width)
        self.attention = Attention(width, heads, reduction)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = MixFeedForward(width, ratio)

    def forward(self, x, size):
        x = x + self.attention(self.norm1(x), size)
        return x + self.mlp(self.norm2(x), size)


class Embedding(nn.Module):
    def __init__(self, channels, width, kernel, stride, padding):
        super().__init__()
        self.patch_embeddings = nn.Conv3d(channels, width, kernel, stride, padding)
        self.norm = nn.LayerNorm(width)

    def forward(self, x):
        x = self.patch_embeddings(x)
        return self.norm(x.flatten(2).transpose(1, 2)), x.shape[2:]


class Encoder(nn.Module):
    WIDTHS, KERNELS, STRIDES, PADDINGS = (32, 64, 160, 256), (7, 3, 3, 3), (4, 2, 2, 2), (3, 1, 1, 1)
    HEADS, REDUCTIONS, RATIOS, DEPTHS = (1, 2, 5, 8), (4, 2, 1, 1), (4, 4, 4, 4), (2, 2, 2, 2)

    def __init__(self, channels):
        super().__init__()
        before = channels
        for i, width in enumerate(self.WIDTHS, start=1):
            n = i - 1
            setattr(self, f"embed_{i}", Embedding(before, width, self.KERNELS[n], self.STRIDES[n], self.PADDINGS[n]))
            blocks = [Block(width, self.HEADS[n], self.REDUCTIONS[n], self.RATIOS[n]) for _ in range(self.DEPTHS[n])]
            setattr(self, f"tf_block{i}", nn.ModuleList(blocks))
            setattr(self, f"norm{i}", nn.LayerNorm(width))
            before = width

    def forward(self, x):
        features = []
        for i in range(1, 5):
            tokens, size = getattr(self, f"embed_{i}")(x)
            for block in getattr(self, f"tf_block{i}"):
                tokens = block(tokens, size)
            tokens = getattr(self, f"norm{i}")(tokens)
            x = tokens.transpose(1, 2).reshape(tokens.shape[0], tokens.shape[2], *size)
            features.append(x)
        return features


class Projection(nn.Module):
    def __init__(self, width, common):
        super().__init__()
        self.proj = nn.Linear(width, common)
        self.bn = nn.LayerNorm(common)

    def forward(self, x):
        y = self.bn(self.proj(x.flatten(2).transpose(1, 2)))
        return y.transpose(1, 2).reshape(x.shape[0], -1, *x.shape[2:])


class Decoder(nn.Module):
    def __init__(self, common, classes):
        super().__init__()
        for i, width in enumerate(Encoder.WIDTHS, start=1):
            setattr(self, f"linear_c{i}", Projection(width, common))
        self.linear_fuse = nn.Sequential(nn.Conv3d(4 * common, common, 1, bias=False), nn.BatchNorm3d(common), nn.ReLU())
        self.linear_pred = nn.Conv3d(common, classes, 1)

    def forward(self, features):
        size = features[0].shape[2:]
        parts = [getattr(self, f"linear_c{i}")(features[i - 1]) for i in (4, 3, 2, 1)]
        parts = [F.interpolate(p, size=size, mode="trilinear", align_corners=False) for p in parts[:3]] + parts[3:]
        x = self.linear_pred(self.linear_fuse(torch.cat(parts, 1)))
        return F.interpolate(x, scale_factor=4, mode="trilinear", align_corners=False)


class SegFormer3D(nn.Module):
    def __init__(self, channels=4, classes=3, common=256):
        super().__init__()
        self.segformer_encoder = Encoder(channels)
        self.segformer_decoder = Decoder(common, classes)

    def forward(self, x):
        return self.segformer_decoder(self.segformer_encoder(x))


def seeded(seed=1):
    """Returns the network with random weights and running statistics, in evaluation mode."""
    torch.manual_seed(seed)
    network = SegFormer3D()
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm3d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    return network.eval()
