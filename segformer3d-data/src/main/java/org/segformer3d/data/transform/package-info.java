/** Changes to a training sample, image and label together: cropping, and random variation seeded from outside. */
package org.segformer3d.data.transform;
