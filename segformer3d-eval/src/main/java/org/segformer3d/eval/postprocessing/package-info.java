/** Cleaning of label maps: connected components and holes. */
package org.segformer3d.eval.postprocessing;
