package org.segformer3d.api.training;

import org.segformer3d.api.tensor.HostTensor;

/**
 * A loss and its gradient.
 *
 * @param loss the value
 * @param gradient with respect to the logits, in their shape
 */
public record LossGradient(double loss, HostTensor gradient) {}
