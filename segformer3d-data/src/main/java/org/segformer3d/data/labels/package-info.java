/** What the values of a label volume mean: regions, their channels, and the way there and back. */
package org.segformer3d.data.labels;
