/** The operations that a backend supplies and that every block, network and loss is written in. */
package org.segformer3d.api.ops;
