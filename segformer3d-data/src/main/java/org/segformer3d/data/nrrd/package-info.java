/** NRRD images, as 3D Slicer and Teem write them. */
package org.segformer3d.data.nrrd;
