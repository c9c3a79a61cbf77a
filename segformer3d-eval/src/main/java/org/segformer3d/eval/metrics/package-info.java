/** How well predictions agree with the truth: overlap and surface measures per class and case, their spread, and evaluation of folders. */
package org.segformer3d.eval.metrics;
