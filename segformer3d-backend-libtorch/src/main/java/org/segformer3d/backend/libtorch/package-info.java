/** The fast backend: blocks, models and training on libtorch, on the CPU and on NVIDIA GPUs, through JavaCPP. */
package org.segformer3d.backend.libtorch;
