/** Reading and writing NumPy's .npy and .npz files. */
package org.segformer3d.data.npy;
