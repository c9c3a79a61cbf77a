/** A small synthetic data set that trains in minutes, for the demonstration and for tests. */
package org.segformer3d.train.demo;
