/** The network in plain Java and float64, written to be read and to check every other backend against. */
package org.segformer3d.backend.reference;
