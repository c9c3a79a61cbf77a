/** What backends share whose tensors are arrays of the Java process: who owns them, and what closing does. */
package org.segformer3d.api.backend.heap;
