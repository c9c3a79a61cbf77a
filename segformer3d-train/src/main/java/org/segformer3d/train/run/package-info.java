/** The training loop: data, steps, validation, checkpoints, resumption, and the bundle that comes out. */
package org.segformer3d.train.run;
