/** Scalar images on a voxel grid with their position in the patient: volumes, geometry, affines, orientation. */
package org.segformer3d.data.volume;
