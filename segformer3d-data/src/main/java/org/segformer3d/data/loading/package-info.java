/** From cases to batches: background workers whose number never changes the result. */
package org.segformer3d.data.loading;
