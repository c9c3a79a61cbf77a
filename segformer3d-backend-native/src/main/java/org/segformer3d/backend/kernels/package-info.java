/** SegFormer3D on the CPU by kernels of its own: C compiled for the processor's instruction set, and the Java around them. */
package org.segformer3d.backend.kernels;
