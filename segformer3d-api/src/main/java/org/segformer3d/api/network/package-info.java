/** Blocks and networks, written once over {@link org.segformer3d.api.ops.Ops}: SegFormer3D's, and what others bring by name. */
package org.segformer3d.api.network;
