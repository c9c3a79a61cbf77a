/** What one training step is (loss, optimizer, clipping, averaging), as records that a backend executes. */
package org.segformer3d.api.training;
