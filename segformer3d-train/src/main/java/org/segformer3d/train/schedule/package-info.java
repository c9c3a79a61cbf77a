/** Learning rates per epoch, as the official run really sets them and as they were meant. */
package org.segformer3d.train.schedule;
