/** The bytes of voxels, which all formats of volumes share: decompressed, decoded, brought into memory's order, and back. */
package org.segformer3d.data.voxel;
