/** Parameters and multiply-accumulates of every layer by arithmetic from configuration and input size. */
package org.segformer3d.api.profile;
