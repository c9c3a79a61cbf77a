/** Files of named tensors: safetensors and PyTorch's formats, read without running anything, and written atomically. */
package org.segformer3d.data.weights;
