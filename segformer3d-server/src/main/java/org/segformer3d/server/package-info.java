/** The server: what starts and stops it, and what it is told to allow. */
package org.segformer3d.server;
