/** What people look at: overlay pictures, the report of an evaluation or a training as one page, and the interactive viewer's parts. */
package org.segformer3d.eval.report;
