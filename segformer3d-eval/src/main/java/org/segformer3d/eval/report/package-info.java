/** Pictures for reports: slices of a scan with what was predicted and what is true. */
package org.segformer3d.eval.report;
