/** A trained model with everything needed to predict, in one folder or zip file. */
package org.segformer3d.eval.bundle;
