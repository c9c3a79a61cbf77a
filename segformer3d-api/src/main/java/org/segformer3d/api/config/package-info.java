/** The network's configuration, with the official key names. */
package org.segformer3d.api.config;
