/** The formats of image files that are known, in one place: which endings there are, who reads a file, who writes one. */
package org.segformer3d.data.format;
