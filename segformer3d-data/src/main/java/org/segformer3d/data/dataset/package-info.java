/** Data sets on disk: which files belong to which case, what the labels are called, and how cases are split. */
package org.segformer3d.data.dataset;
