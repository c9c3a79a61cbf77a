/** From a data set's fingerprint to a plan of its preprocessing, patch and batch, by the rules of nnU-Net. */
package org.segformer3d.data.planning;
