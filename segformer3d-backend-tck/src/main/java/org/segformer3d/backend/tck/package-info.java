/** The contract of a backend as tests that a backend's own module runs. */
package org.segformer3d.backend.tck;
