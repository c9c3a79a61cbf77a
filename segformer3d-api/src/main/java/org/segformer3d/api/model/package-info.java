/** The network assembled from blocks, and how input sizes map to stage sizes. */
package org.segformer3d.api.model;
