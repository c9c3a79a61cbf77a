/** Host arrays, opaque backend tensors, and the scopes that own native memory. */
package org.segformer3d.api.tensor;
