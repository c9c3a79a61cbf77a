/** From a scan to the tensor a network sees, and from the network's answer back to the scan's own geometry. */
package org.segformer3d.data.preprocessing;
