/** Processes that train one network together: how they find each other, keep step, and notice that one is gone. */
package org.segformer3d.train.parallel;
