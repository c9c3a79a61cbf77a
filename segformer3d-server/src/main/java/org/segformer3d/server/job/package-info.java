/** Scans waiting to be segmented, being segmented, and their results. */
package org.segformer3d.server.job;
