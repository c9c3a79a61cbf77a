/** The viewer as a page that this program serves to its own machine. */
package org.segformer3d.cli.view;
