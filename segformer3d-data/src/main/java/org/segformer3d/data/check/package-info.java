/** Looks at a whole data set before anything is trained on it: what can't be read, doesn't fit together or is there twice. */
package org.segformer3d.data.check;
