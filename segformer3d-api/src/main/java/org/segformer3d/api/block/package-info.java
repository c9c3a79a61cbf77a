/** The blocks a SegFormer3D is made of: what each computes, its shapes and parameters, and who supplies it. */
package org.segformer3d.api.block;
