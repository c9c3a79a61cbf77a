/** Writing files and folders so that a failure leaves what was there before, and the failures of reading them. */
package org.segformer3d.data.io;
