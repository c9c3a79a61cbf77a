/** What every result carries: where it came from, as plain JSON, and the cases that failed. */
package org.segformer3d.eval.result;
