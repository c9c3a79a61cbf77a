/** How backends are found, chosen and opened. */
package org.segformer3d.api.backend;
