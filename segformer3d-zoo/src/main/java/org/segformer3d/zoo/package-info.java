/** The networks that SegFormer3D is compared with, each an architecture over the API's operations. */
package org.segformer3d.zoo;
