/** The server's own routes, and what every route goes through: identity, limits, errors, metrics. */
package org.segformer3d.server.http;
