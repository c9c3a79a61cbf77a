/** The part of MONAI Label's REST interface by which 3D Slicer runs a model, with the images and labels it keeps. */
package org.segformer3d.server.label;
