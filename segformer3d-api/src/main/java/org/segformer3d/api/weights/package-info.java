/** Named weights: the official state-dict naming, shapes, initialisation and mismatch reports. */
package org.segformer3d.api.weights;
