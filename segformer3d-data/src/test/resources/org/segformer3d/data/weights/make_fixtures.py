"""Makes the files beside it with real PyTorch, NumPy and safetensors; run once, the results are committed.

    python make_fixtures.py        # needs torch, numpy, safetensors

Made with torch 2.15.0, numpy 2.x, safetensors 0.8.0. Later versions may write other bytes: don't remake the old files, add new ones.
`expected.safetensors` holds the values that the readers must find, contiguous and under the names of the bare network.
"""
import argparse
import collections
import io
import json
import os
import pathlib
import pickle
import struct
import zipfile
import zlib

import numpy as np
import safetensors.torch
import torch

here = pathlib.Path(__file__).parent
os.chdir(here)
torch.manual_seed(0)

TYPES = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
         torch.uint8, torch.bool]


def values(dtype, *shape):
    n = int(np.prod(shape))
    x = torch.arange(n, dtype=torch.float64) * 0.75 - 2
    if dtype is torch.bool:
        return (torch.arange(n) % 3 == 1).reshape(shape)
    if dtype is torch.uint8:
        return (torch.arange(n) * 37 % 256).to(dtype).reshape(shape)
    return x.to(dtype).reshape(shape)


# Every type, with a scalar and an empty tensor.
types = collections.OrderedDict()
for dtype in TYPES:
    types[str(dtype).removeprefix('torch.')] = values(dtype, 2, 3)
types['scalar'] = torch.tensor(0.1, dtype=torch.float64)
types['empty'] = torch.zeros(0, 3)
torch.save(types, 'types.pt')
torch.save(types, 'types_legacy.pt', _use_new_zipfile_serialization=False)
torch.save(types, 'types_protocol4.pt', pickle_protocol=4)
torch.save(types, 'types_protocol5.pt', pickle_protocol=5)
torch.serialization.set_crc32_options(False)
torch.save(types, 'types_without_sums.pt')
torch.serialization.set_crc32_options(True)
safetensors.torch.save_file(types, 'types.safetensors', {'format': 'pt'})

# The same as a big-endian machine would write it: PyTorch can read such a file here and not write it.
with zipfile.ZipFile('types.pt') as little, zipfile.ZipFile('types_big_endian.pt', 'w') as big:
    kinds = list(types.values())
    for entry in little.infolist():
        data = little.read(entry)
        name = entry.filename.split('/', 1)[1]
        if name == 'byteorder':
            data = b'big'
        if name.startswith('data/'):
            width = kinds[int(name[5:])].element_size()
            data = b''.join(data[i:i + width][::-1] for i in range(0, len(data), width))
        big.writestr('big/' + name, data)
assert all(torch.equal(types[k], v) for k, v in torch.load('types_big_endian.pt').items())

# Views of shared storages, in every way that isn't C order.
base = values(torch.float32, 4, 5)
views = collections.OrderedDict(
    whole=base, transposed=base.t(), part=base[1:3], step=base[::2, 1::3], last=base.reshape(-1)[19], tied=base,
    expanded=values(torch.float32, 3, 1).expand(3, 4), channels_last=values(torch.float32, 1, 2, 2, 2, 2).to(
        memory_format=torch.channels_last_3d), parameter=torch.nn.Parameter(values(torch.float32, 3)))
torch.save(views, 'views.pt')
torch.save(views, 'views_legacy.pt', _use_new_zipfile_serialization=False)

# Checkpoints of training loops.
network = torch.nn.Sequential(collections.OrderedDict(
    proj=torch.nn.Conv3d(1, 2, 2), norm=torch.nn.BatchNorm3d(2)))
weights = network.state_dict()
optimizer = torch.optim.AdamW(network.parameters())
network(torch.randn(2, 1, 3, 3, 3)).square().sum().backward()
optimizer.step()
weights = collections.OrderedDict((k, v.detach().clone()) for k, v in network.state_dict().items())
checkpoint = {
    'epoch': 3, 'state_dict': network.state_dict(), 'optimizer': optimizer.state_dict(),
    'args': argparse.Namespace(lr=1e-4, out=pathlib.Path('runs')), 'best': np.float64(0.5), 'device': torch.device('cpu'),
    'dtype': torch.float32, 'history': [(1, 0.25), (2, 0.5)], 'seen': {1, 2}, 'shape': torch.Size([1, 2]),
    'fisher': torch.eye(2).to_sparse(), 'spectrum': torch.zeros(2, dtype=torch.complex64), 'raw': b'\x00\xff'}
torch.save(checkpoint, 'checkpoint.pt')
torch.save(checkpoint, 'checkpoint_legacy.pt', _use_new_zipfile_serialization=False)
torch.save({'model': {'module._orig_mod.' + k: v for k, v in weights.items()}}, 'checkpoint_compiled_parallel.pt')
torch.save(torch.optim.swa_utils.AveragedModel(network).state_dict(), 'checkpoint_averaged.pt')
torch.save({'network_weights': weights, 'current_epoch': 1}, 'checkpoint_nnunet.pt')
torch.save({'checkpoint': 1, 'model': {'net': {'model.' + k: v for k, v in weights.items()}}}, 'checkpoint_nested.pt')
os.makedirs('accelerate_safetensors', exist_ok=True)
safetensors.torch.save_file(weights, 'accelerate_safetensors/model.safetensors')
torch.save(optimizer.state_dict(), 'accelerate_safetensors/optimizer.bin')
os.makedirs('accelerate_bin', exist_ok=True)
torch.save(weights, 'accelerate_bin/pytorch_model.bin')
torch.save(optimizer.state_dict(), 'accelerate_bin/optimizer.bin')

# Arrays, and pickles that torch.save had no part in.
arrays = {
    'c': np.arange(6, dtype=np.float32).reshape(2, 3), 'fortran': np.asfortranarray(np.arange(6.).reshape(2, 3)),
    'big': np.arange(-2, 4, dtype='>i2').reshape(3, 2), 'bool': np.array([[True, False], [False, True]]),
    'scalar': np.array(2.5), 'empty': np.zeros((0, 2), np.int64), 'u2': np.array([1, 65535], np.uint16)}
torch.save(arrays, 'arrays.pt')
for protocol in (0, 2, 4, 5):
    pickle.dump(arrays, open(f'arrays_protocol{protocol}.pkl', 'wb'), protocol)
pickle.dump(weights, open('weights.pkl', 'wb'), 4)
torch.save(values(torch.float32, 2, 3), 'tensor.pt')
torch.save(arrays['fortran'], 'array.pt')

# What isn't read: unsigned 64-bit, complex, sparse and quantised weights, TorchScript, whole modules.
torch.save({'weight': torch.tensor([1, 65535], dtype=torch.uint16), 'wide': torch.tensor([1, 2**32 - 1], dtype=torch.uint32)},
           'unsigned.pt')
torch.save({'weight': torch.zeros(2, dtype=torch.complex64)}, 'unsupported_complex.pt')
torch.save({'weight': torch.eye(2).to_sparse()}, 'unsupported_sparse.pt')
torch.save({'weight': torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.quint8)}, 'unsupported_quantised.pt')
torch.jit.save(torch.jit.script(torch.nn.Identity()), 'unsupported_torchscript.pt')
torch.save(network, 'unsupported_module.pt')

expected = {'types.' + k: v for k, v in types.items()}
expected |= {'views.' + k: v.detach().contiguous().clone() for k, v in views.items()}
expected |= {'weights.' + k: v for k, v in weights.items()}
for k, v in arrays.items():
    v = np.ascontiguousarray(v).reshape(v.shape)
    v = v.astype(np.int32) if v.dtype == np.uint16 else v.astype(v.dtype.newbyteorder('='))
    expected['arrays.' + k] = torch.from_numpy(v)
safetensors.torch.save_file(expected, 'expected.safetensors')
