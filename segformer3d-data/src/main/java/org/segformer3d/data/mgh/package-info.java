/** MGH images, as FreeSurfer writes them. */
package org.segformer3d.data.mgh;
