/** An example of a layer that a third party supplies; docs/backends.md explains it. */
package org.segformer3d.backend.tck.example;
