/** Reading and writing NIfTI-1 and NIfTI-2 files. */
package org.segformer3d.data.nifti;
