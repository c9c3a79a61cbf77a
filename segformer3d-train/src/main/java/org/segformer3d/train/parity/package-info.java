/** Checks this build on this machine against reference values computed by the official implementation and by MONAI. */
package org.segformer3d.train.parity;
