/** Networks written for runtimes outside the JVM, one exporter per file format. */
package org.segformer3d.api.export;
