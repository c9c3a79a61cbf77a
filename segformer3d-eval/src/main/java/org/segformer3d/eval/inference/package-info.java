/** From volumes of any size to label maps: the sliding window, one case, many cases. */
package org.segformer3d.eval.inference;
