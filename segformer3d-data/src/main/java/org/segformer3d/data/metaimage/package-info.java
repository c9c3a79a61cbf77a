/** MetaImage files, as ITK writes them. */
package org.segformer3d.data.metaimage;
