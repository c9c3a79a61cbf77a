/** DICOM series as scans, converted by an installed dcm2niix. */
package org.segformer3d.data.dicom;
