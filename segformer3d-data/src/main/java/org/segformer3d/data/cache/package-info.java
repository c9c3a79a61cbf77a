/** Computed volumes kept on disk, under the hash of everything that made them. */
package org.segformer3d.data.cache;
