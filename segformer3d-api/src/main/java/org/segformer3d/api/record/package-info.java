/** What a network computes, written down: for whatever writes it to a file or runs it elsewhere. */
package org.segformer3d.api.record;
